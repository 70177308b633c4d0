#include "actors/resp/output.hpp"

namespace terrace::resp {

void output::share(blob x) {
  if (x.empty())
    return;
  shared_ += x.size();
  splices_.push_back({text_.size(), std::move(x)});
}

void output::append(output&& x) {
  iovec one;
  while (!x.empty()) {
    x.pieces(&one, 1);
    const bool whole = x.first_splice_ < x.splices_.size()
                       && x.splices_[x.first_splice_].at == x.text_taken_;
    if (whole)
      share(x.splices_[x.first_splice_].data);
    else
      text_.append({static_cast<const char*>(one.iov_base), one.iov_len});
    x.take(one.iov_len);
  }
}

std::size_t output::pieces(iovec* out, std::size_t max) const noexcept {
  auto* text = const_cast<char*>(text_.view().data());
  std::size_t n = 0;
  auto add = [&](const char* first, std::size_t size) {
    if (size > 0 && n < max)
      out[n++] = {const_cast<char*>(first), size};
  };
  auto at = text_taken_;
  auto skip = splice_taken_;
  for (auto i = first_splice_; i < splices_.size() && n < max; ++i) {
    auto& x = splices_[i];
    add(text + at, x.at - at);
    at = x.at;
    auto bytes = x.data.view().substr(skip);
    add(bytes.data(), bytes.size());
    skip = 0;
  }
  add(text + at, text_.size() - at);
  return n;
}

void output::take(std::size_t n) noexcept {
  while (n > 0) {
    const bool spliced = first_splice_ < splices_.size();
    auto text_end = spliced ? splices_[first_splice_].at : text_.size();
    auto from_text = std::min(n, text_end - text_taken_);
    text_taken_ += from_text;
    n -= from_text;
    if (n == 0 || !spliced)
      break;
    auto& x = splices_[first_splice_];
    auto from_splice = std::min(n, x.data.size() - splice_taken_);
    splice_taken_ += from_splice;
    shared_ -= from_splice;
    n -= from_splice;
    if (splice_taken_ == x.data.size()) {
      x.data = blob{};
      ++first_splice_;
      splice_taken_ = 0;
    }
  }
  if (empty()) {
    clear();
  } else if (text_taken_ > byte_buffer::keep_limit
             && text_taken_ * 2 > text_.size()) {
    // A queue that never runs empty must not keep what was sent long ago.
    auto gone = static_cast<std::ptrdiff_t>(first_splice_);
    splices_.erase(splices_.begin(), splices_.begin() + gone);
    first_splice_ = 0;
    for (auto& x : splices_)
      x.at -= text_taken_;
    text_.erase_front(text_taken_);
    text_taken_ = 0;
  }
}

void output::clear() noexcept {
  text_.clear();
  text_taken_ = 0;
  splices_.clear();
  first_splice_ = 0;
  splice_taken_ = 0;
  shared_ = 0;
}

void output::release() noexcept {
  clear();
  text_.release();
  splices_.shrink_to_fit();
}

} // namespace terrace::resp
