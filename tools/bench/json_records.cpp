#include "tools/bench/json_records.hpp"

#include "tools/bench/json_words.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace terrace::bench {

namespace {

/// Builds one object or array after the other into a string.
class json {
public:
  json& open(char bracket, std::string_view name = {}) {
    head(name);
    out += bracket;
    first_ = true;
    return *this;
  }

  json& close(char bracket) {
    out += bracket;
    first_ = false;
    return *this;
  }

  json& text(std::string_view name, std::string_view x) {
    head(name);
    ((out += '"') += x) += '"';
    return *this;
  }

  json& bare(std::string_view name, std::string_view x) {
    head(name);
    out += x;
    return *this;
  }

  json& flag(std::string_view name, bool x) {
    return bare(name, x ? "true" : "false");
  }

  std::string out;

private:
  void head(std::string_view name) {
    if (!first_)
      out += ',';
    first_ = false;
    if (!name.empty())
      ((out += '"') += name) += "\":";
  }

  bool first_ = true;
};

std::string lower(std::string x) {
  for (auto& c : x)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return x;
}

/// Draws what differs between records. Source: Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", 2014 (SplitMix64).
class dice {
public:
  explicit dice(std::uint64_t seed) : state_(seed) {
    // nop
  }

  std::uint64_t draw() noexcept {
    auto x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  /// From 0 to n - 1.
  std::size_t below(std::size_t n) noexcept {
    return static_cast<std::size_t>(draw() % n);
  }

  bool chance(unsigned percent) noexcept {
    return below(100) < percent;
  }

  template <std::size_t N>
  std::string pick(const std::string_view (&xs)[N]) {
    return std::string{xs[below(N)]};
  }

  /// Among a few.
  std::string one_of(std::initializer_list<std::string_view> xs) {
    return std::string{xs.begin()[below(xs.size())]};
  }

  std::string hex(std::size_t digits) {
    std::string result;
    while (digits-- > 0)
      result += "0123456789abcdef"[below(16)];
    return result;
  }

  std::string uuid() {
    return hex(8) + '-' + hex(4) + "-4" + hex(3) + '-' + hex(4) + '-' + hex(12);
  }

  std::string number(std::size_t from, std::size_t to) {
    return std::to_string(from + below(to - from + 1));
  }

  /// With `digits` behind the point.
  std::string decimal(std::size_t below_this, int digits) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.*f", digits,
                  static_cast<double>(draw() >> 11) * 0x1p-53
                    * static_cast<double>(below_this));
    return text;
  }

  /// Of three years.
  std::string time() {
    char text[32];
    std::snprintf(text, sizeof(text), "%d-%02d-%02dT%02d:%02d:%02dZ",
                  2023 + static_cast<int>(below(3)),
                  1 + static_cast<int>(below(12)),
                  1 + static_cast<int>(below(28)), static_cast<int>(below(24)),
                  static_cast<int>(below(60)), static_cast<int>(below(60)));
    return text;
  }

private:
  std::uint64_t state_;
};

/// The words of texts with the sum of the weights of all up to each.
struct vocabulary {
  std::vector<std::string> words{std::begin(frequent), std::end(frequent)};
  std::vector<double> weights;

  vocabulary() {
    dice speaker{1};
    while (words.size() < 4000) {
      std::string x;
      for (auto n = 2 + speaker.below(3); n > 0; --n)
        x += speaker.pick(syllables);
      words.push_back(std::move(x));
    }
    double sum = 0;
    for (std::size_t i = 0; i < words.size(); ++i)
      weights.push_back(sum += 1.0 / static_cast<double>(i + 3));
  }
};

const std::string& word(dice& x) {
  static const vocabulary all;
  auto at = static_cast<double>(x.draw() >> 11) * 0x1p-53 * all.weights.back();
  auto i = std::upper_bound(all.weights.begin(), all.weights.end(), at);
  return all.words[std::min<std::size_t>(
    static_cast<std::size_t>(i - all.weights.begin()), all.words.size() - 1)];
}

std::string words(dice& x, std::size_t n) {
  std::string result = word(x);
  result[0]
    = static_cast<char>(std::toupper(static_cast<unsigned char>(result[0])));
  while (--n > 0)
    (result += x.chance(8) ? ", " : " ") += word(x);
  return result;
}

std::string slug(dice& x, std::size_t n) {
  std::string result = word(x);
  while (--n > 0)
    (result += '-') += word(x);
  return result;
}

std::string path(dice& x, const std::string& suffix) {
  std::string result = x.one_of({"src", "lib", "tests", "tools", "include"});
  for (auto n = 1 + x.below(3); n > 0; --n)
    (result += '/') += word(x);
  return result += '_' + word(x) + suffix;
}

// -- shapes -------------------------------------------------------------------

json_record user(dice& x, std::size_t size) {
  json to;
  auto id = x.number(100'000, 99'999'999);
  auto given = x.pick(given_names);
  auto family = x.pick(family_names);
  to.open('{').bare("id", id).text("name", given + ' ' + family);
  to.text("email", lower(given) + '.' + lower(family) + x.number(1, 999) + '@'
                     + x.pick(domains));
  to.text("created_at", x.time())
    .text("plan", x.one_of({"free", "pro", "team"}));
  to.flag("verified", x.chance(80));
  if (size > 500) {
    to.text("uuid", x.uuid()).text("last_seen", x.time());
    if (x.chance(60))
      to.text("phone",
              "+" + x.number(1, 99) + x.number(100'000'000, 999'999'999));
    to.open('{', "address")
      .text("street", x.number(1, 300) + ' ' + words(x, 2));
    to.text("city", x.pick(cities)).text("postcode", x.number(10'000, 99'999));
    to.close('}').open('{', "preferences");
    to.text("locale", x.one_of({"en-GB", "en-US", "de-DE", "fr-FR", "es-ES"}));
    to.text("theme", x.one_of({"light", "dark", "system"}));
    to.flag("newsletter", x.chance(30)).flag("two_factor", x.chance(25));
    to.close('}').text("bio", words(x, 12 + x.below(16)));
    to.open('[', "sessions");
    do {
      to.open('{')
        .text("id", x.hex(32))
        .text("ip", x.number(1, 223) + '.' + x.number(0, 255) + '.'
                      + x.number(0, 255) + '.' + x.number(1, 254));
      to.text("agent", x.one_of({"Firefox", "Chrome", "Safari", "Edge"}) + '/'
                         + x.number(90, 128) + ".0");
      to.text("started_at", x.time());
      to.bare("requests", x.number(1, 5000)).close('}');
    } while (to.out.size() + 85 < size);
    to.close(']');
  } else if (size > to.out.size() + 20) {
    to.text("locale", x.one_of({"en-GB", "en-US", "de-DE", "fr-FR", "es-ES"}));
    to.text("city", x.pick(cities)).bare("logins", x.number(1, 9000));
  }
  return {"user:" + id, to.close('}').out};
}

json_record product(dice& x, std::size_t size) {
  json to;
  auto id = x.hex(12);
  to.open('{').text("sku", id).text("title", words(x, 3 + x.below(4)));
  to.bare("price", x.decimal(500, 2));
  to.text("currency", x.one_of({"EUR", "USD", "GBP"}));
  to.bare("stock", x.number(0, 900)).flag("active", x.chance(90));
  to.bare("rating", x.decimal(5, 1));
  if (size > 500) {
    to.text("slug", slug(x, 4)).text("brand", word(x) + ' ' + word(x));
    to.text("description", words(x, size / 40 + x.below(size / 40)));
    to.open('[', "categories")
      .text({}, x.one_of({"Home", "Garden", "Sports", "Clothing", "Electronics",
                          "Books"}))
      .text({}, word(x))
      .close(']');
    to.open('{', "dimensions").bare("width_mm", x.number(10, 2000));
    to.bare("height_mm", x.number(10, 2000))
      .bare("weight_g", x.number(5, 40'000));
    to.close('}').text("updated_at", x.time()).open('[', "images");
    for (auto n = 1 + x.below(3); n > 0; --n)
      to.text({}, "https://cdn.example.com/p/" + x.hex(16) + ".jpg");
    to.close(']').open('[', "reviews");
    while (to.out.size() + 75 < size) {
      to.open('{')
        .text("by", x.pick(given_names))
        .bare("stars", x.number(1, 5));
      to.text("at", x.time())
        .text("text", words(x, 6 + x.below(14)))
        .close('}');
    }
    to.close(']');
  } else {
    to.text("brand", word(x)).text("updated_at", x.time());
  }
  return {"product:" + id, to.close('}').out};
}

json_record search(dice& x, std::size_t size) {
  json to;
  to.open('{').text("query", slug(x, 2)).bare("total", x.number(0, 90'000));
  to.bare("took_ms", x.number(1, 400)).bare("page", x.number(1, 9));
  to.text("request_id", x.hex(16)).open('[', "hits");
  do {
    to.open('{').text("id", x.hex(10)).bare("score", x.decimal(20, 4));
    to.text("title", words(x, 3 + x.below(3)));
    if (size > 500) {
      to.text("url", "https://www.example.com/" + slug(x, 2) + '/'
                       + x.number(1000, 999'999));
      to.text("snippet", words(x, 8 + x.below(10)));
      to.text("type", x.one_of({"article", "product", "help", "forum"}));
      if (x.chance(40))
        to.text("published", x.time());
    }
    to.close('}');
  } while (to.out.size() + (size > 500 ? 130 : 30) < size);
  to.close(']').bare("next", x.chance(70) ? "true" : "null").close('}');
  return {"search:" + x.hex(16) + ":results", to.out};
}

json_record analysis(dice& x, std::size_t size) {
  json to;
  auto digest = x.hex(size > 500 ? 64 : 16);
  auto language = x.pick(languages);
  to.open('{').text("file", path(x, '.' + language)).text("sha", digest);
  to.text("language", language).bare("lines", x.number(10, 4000));
  to.bare("complexity", x.decimal(60, 2));
  if (size > 500) {
    to.bare("bytes", x.number(200, 160'000)).text("analysed_at", x.time());
    to.open('{', "counts").bare("functions", x.number(0, 150));
    to.bare("classes", x.number(0, 30)).bare("comments", x.number(0, 900));
    to.bare("todo", x.number(0, 12)).close('}').open('[', "imports");
    for (auto n = 2 + x.below(5); n > 0; --n)
      to.text({}, word(x) + '.' + word(x));
    to.close(']').open('[', "symbols");
    do {
      to.open('{').text("name", word(x) + '_' + word(x));
      to.text("kind", x.pick(kinds)).bare("line", x.number(1, 4000));
      to.bare("length", x.number(1, 120)).flag("public", x.chance(50));
      if (x.chance(35))
        to.text("doc", words(x, 5 + x.below(8)));
      to.close('}');
    } while (to.out.size() + 65 < size);
    to.close(']');
  } else {
    to.bare("issues", x.number(0, 40)).text("analysed_at", x.time());
  }
  return {"analysis:" + digest + ":summary", to.close('}').out};
}

} // namespace

const char* json_shape_name(std::size_t shape) noexcept {
  constexpr const char* names[json_shapes] = {"user", "product", "search",
                                              "analysis"};
  return names[shape];
}

json_record make_json_record(std::size_t shape, std::size_t size,
                             std::uint64_t seed) {
  constexpr json_record (*makers[json_shapes])(dice&, std::size_t)
    = {user, product, search, analysis};
  dice x{seed};
  // Sizes spread by a quarter to both sides.
  auto spread = x.below(size / 4 + 1) + x.below(size / 4 + 1);
  return makers[shape](x, size - size / 4 + spread);
}

} // namespace terrace::bench
