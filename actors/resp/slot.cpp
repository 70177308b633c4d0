#include "actors/resp/slot.hpp"

namespace terrace::resp {

namespace {

constexpr std::int64_t round_to_seconds(std::int64_t ms) noexcept {
  return (ms + 500) / 1000;
}

} // namespace

std::string error_text(const failure& why) {
  return "ERR " + to_string(why);
}

// -- what look-ups mean -------------------------------------------------------

bool is_refusal(errc x) noexcept {
  return x == errc::overloaded || x == errc::shutting_down
         || x == errc::invalid_argument;
}

std::int64_t number_of(shape what, bool found, std::size_t size,
                       std::int64_t expires_ms, std::int64_t now_ms) noexcept {
  if (what == shape::exists)
    return found ? 1 : 0;
  if (what == shape::size)
    return found ? static_cast<std::int64_t>(size) : 0;
  if (!found)
    return -2;
  if (expires_ms == 0)
    return -1;
  auto left_ms = std::max<std::int64_t>(expires_ms - now_ms, 0);
  switch (what) {
    case shape::ttl_s:
      return round_to_seconds(left_ms);
    case shape::ttl_ms:
      return left_ms;
    case shape::deadline_s:
      return round_to_seconds(expires_ms);
    default:
      return expires_ms;
  }
}

void write_lookup(reply_writer out, shape what, bool found, const blob& value,
                  std::int64_t number) {
  switch (what) {
    case shape::value:
      if (found)
        out.bulk(value);
      else
        out.null();
      break;
    case shape::type:
      out.raw(found ? "+string\r\n" : "+none\r\n");
      break;
    default:
      out.integer(number);
  }
}

// -- constructors -------------------------------------------------------------

slot::slot(shape what, std::uint32_t results, bool muted)
  : what_(what), muted_(muted), left_(results) {
  if (what == shape::values)
    many_.resize(results);
}

slot::slot() : what_(shape::text), left_(0), text_(std::make_unique<output>()) {
  // nop
}

// -- results ------------------------------------------------------------------

void slot::keep(part& where, blob x) {
  where.found = true;
  bytes_ += x.size();
  where.value = std::move(x);
}

void slot::put(std::uint32_t index, blob x) {
  --left_;
  if (what_ == shape::values)
    keep(many_[index], std::move(x));
  else
    ++number_;
}

void slot::put(std::uint32_t index, lookup& x, std::int64_t now_ms) {
  --left_;
  if (x.what == lookup::outcome::error && is_refusal(x.code)) {
    code_ = x.code;
    return;
  }
  auto& data = x.data;
  switch (what_) {
    case shape::values:
      if (x.hit())
        keep(many_[index], std::move(data.value));
      break;
    case shape::value:
      if (x.hit())
        keep(one_, std::move(data.value));
      break;
    case shape::type:
      one_.found = x.hit();
      break;
    default:
      number_ += number_of(what_, x.hit(), data.value.size(), data.expires_ms,
                           now_ms);
  }
}

void slot::put(mutation_result& x) {
  --left_;
  if (x.code != errc::none) {
    code_ = x.code;
    return;
  }
  if (x.applied)
    ++number_;
  if (what_ == shape::old_value && x.had_old)
    keep(one_, std::move(x.old.value));
}

void slot::fail(errc why) noexcept {
  --left_;
  code_ = why;
}

// -- rendering ----------------------------------------------------------------

void slot::render(output& out, bool resp3) {
  if (text_) {
    out.append(std::move(*text_));
    return;
  }
  if (muted_)
    return;
  reply_writer writer{out, resp3};
  if (code_ != errc::none) {
    writer.error(error_text({code_, {}}));
    return;
  }
  switch (what_) {
    case shape::ok:
      writer.ok();
      break;
    case shape::ok_or_null:
      if (number_ > 0)
        writer.ok();
      else
        writer.null();
      break;
    case shape::values:
      writer.array(many_.size());
      for (auto& x : many_)
        write_lookup(writer, shape::value, x.found, x.value, 0);
      break;
    case shape::old_value:
      write_lookup(writer, shape::value, one_.found, one_.value, 0);
      break;
    default:
      write_lookup(writer, what_, one_.found, one_.value, number_);
  }
}

} // namespace terrace::resp
