#include "http/chars.h"
#include "http/field_lines.h"
#include "http/parsed.h"
#include "http/trailers.h"

#include <algorithm>
#include <limits>

#include <hangup/http/message.h>

namespace hangup::http {
namespace {

constexpr unsigned max_size_digits = 16;
constexpr std::uint64_t max_chunk_bytes = std::numeric_limits<std::int64_t>::max();
constexpr unsigned max_extension_bytes = 1024;
constexpr std::size_t max_trailer_bytes = 8 * 1024;
constexpr std::size_t max_trailer_fields = 100;

}  // namespace

BodyDecoder::BodyDecoder(const Framing& framing) : left_(framing.length) {
  switch (framing.kind) {
    case Framing::Kind::none:
      break;
    case Framing::Kind::length:
      state_ = left_ == 0 ? State::done : State::payload;
      break;
    case Framing::Kind::chunked:
      start_chunk();
      break;
    case Framing::Kind::until_close:
      state_ = State::until_close;
      break;
  }
}

const Fields& BodyDecoder::trailers() const {
  static const Fields none;
  return trailers_ ? trailers_->fields : none;
}

void BodyDecoder::start_chunk() {
  state_ = State::size;
  size_digits_ = 0;
  extension_bytes_ = 0;
  left_ = 0;
}

Parsed<BodyDecoder::Step> BodyDecoder::decode(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::done) {
    if (state_ == State::until_close) return Step{input.size(), input};
    if (state_ == State::payload || state_ == State::data) {
      const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
      left_ -= run;
      if (left_ == 0) state_ = state_ == State::payload ? State::done : State::data_cr;
      return Step{at + run, input.substr(at, run)};
    }
    if (state_ == State::trailer) {
      const auto taken = take_trailer(input.substr(at));
      if (!taken) return std::unexpected(taken.error());
      at += *taken;
    } else {
      const bool starts_trailer = state_ == State::trailer_start && input[at] != '\r';
      if (const auto taken = take_framing(input[at]); !taken) return std::unexpected(taken.error());
      if (!starts_trailer) ++at;
    }
  }
  return Step{at, {}};
}

Parsed<void> BodyDecoder::take_framing(char c) {
  switch (state_) {
    case State::size:
      return take_size(c);
    case State::size_padding:
    case State::extension:
      return take_extension(c);
    case State::size_lf:
      if (c != '\n') return refuse(400, "a chunk's size line has a CR inside");
      state_ = left_ == 0 ? State::trailer_start : State::data;
      return {};
    case State::data_cr:
      if (c != '\r') return refuse(400, "a chunk's data goes on behind its size");
      state_ = State::data_lf;
      return {};
    case State::data_lf:
      if (c != '\n') return refuse(400, "a chunk's data goes on behind its size");
      start_chunk();
      return {};
    case State::trailer_start:
      state_ = c == '\r' ? State::last_lf : State::trailer;
      return {};
    case State::last_lf:
      if (c != '\n') return refuse(400, "a bare CR in the trailers");
      return finish();
    default:
      return {};  // the states of payload and trailer lines are decode()'s
  }
}

Parsed<void> BodyDecoder::take_size(char c) {
  if (is(c, hex_char)) {
    if (++size_digits_ > max_size_digits) return refuse(400, "a chunk's size has too many digits");
    left_ = left_ << 4 | hex_value(c);
    if (left_ > max_chunk_bytes) return refuse(400, "a chunk's size is too large");
    return {};
  }
  if (size_digits_ == 0) return refuse(400, "a chunk has no size");
  if (c == '\r') {
    state_ = State::size_lf;
    return {};
  }
  state_ = State::size_padding;
  return take_extension(c);
}

Parsed<void> BodyDecoder::take_extension(char c) {
  if (state_ == State::extension && c == '\r') {
    state_ = State::size_lf;
    return {};
  }
  if (++extension_bytes_ > max_extension_bytes) return refuse(400, "a chunk's extensions are too long");
  if (state_ == State::size_padding) {
    if (is_blank(c)) return {};
    if (c != ';') return refuse(400, "a chunk's size is not a hexadecimal number");
    state_ = State::extension;
    return {};
  }
  if (!is(c, value_char)) return refuse(400, "a chunk's extensions have a control character");
  return {};
}

// Takes the rest of a line, or what there is of it.
Parsed<std::size_t> BodyDecoder::take_trailer(std::string_view input) {
  if (!trailers_) trailers_ = std::make_unique<Trailers>();
  std::string& bytes = trailers_->bytes;
  const std::size_t lf = input.find('\n');
  const std::size_t run = lf == std::string_view::npos ? input.size() : lf + 1;
  if (run > max_trailer_bytes - bytes.size()) return refuse(431, "the trailers are too large");
  bytes.append(input, 0, run);
  if (lf == std::string_view::npos) return run;
  if (!bytes.ends_with("\r\n")) return refuse(400, "a trailer line ends with LF alone");
  if (++trailers_->lines > max_trailer_fields) return refuse(431, "there are too many trailers");
  state_ = State::trailer_start;
  return run;
}

Parsed<void> BodyDecoder::finish() {
  state_ = State::done;
  if (!trailers_) return {};
  Fields all;
  if (auto read = read_field_lines(trailers_->bytes, all); !read) return read;
  for (const auto& [name, value] : all) {
    if (!is_forbidden_trailer(name)) trailers_->fields.add(name, value);
  }
  return {};
}

}  // namespace hangup::http
