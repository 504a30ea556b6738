#include "downstream/http1_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <hangup/http/body_run.h>
#include <hangup/http/chunks.h>

namespace hangup::downstream {
namespace {

// At most this much is read at once, and kept of a body that is paused or of requests pipelined behind the
// one in flight.
constexpr std::size_t input_cap = 64 * 1024;
// Reads in one turn of the loop: a client that sends without end does not keep others waiting.
constexpr int reads_per_turn = 4;
// How long, and how much, a client may go on sending after the last answer: closing earlier would reset the
// connection, and the reset can overtake the answer (RFC 9112 section 9.6).
constexpr auto linger_time = std::chrono::seconds(2);

// For the verdict on a client that was probed, beside a round trip; and how long it then counts.
constexpr auto probe_patience = std::chrono::milliseconds(50);
constexpr auto probe_again = std::chrono::seconds(5);
// Some parsers take a chunk size of more than 16 digits for too large.
constexpr int most_leading_zeros = 8;

http::ParseError body_too_long() {
  return {413, "the request body is longer than this server allows"};
}

}  // namespace

Http1Connection::Http1Connection(Owner& owner, Arrived arrived)
    : owner_(owner),
      place_(std::move(arrived.place)),
      seat_(std::move(arrived.seat)),
      transport_(std::move(arrived.transport)),
      timer_(owner.loop().make_timer([this] { on_timer(); })),
      client_(std::make_shared<const ClientInfo>(std::move(arrived.client))),
      refusal_(arrived.refusal ? std::make_unique<const Refusal>(*std::move(arrived.refusal)) : nullptr),
      fin_(arrived.fin),
      unread_(arrived.waited),
      parser_(listener().head),
      output_(owner.loop()) {
  transport_->set_handler(*this);
  take_up_listener();  // it may be another one than that which it arrived under
  if (arrived.waited) transport_->poke();
  enter(State::idle);
}

Http1Connection::~Http1Connection() {
  if (state_ == State::closed) return;
  net::Fd socket = transport_->release();
  seat_.reset();
}

void Http1Connection::enter(State state) {
  state_ = state;
  if (state == State::exchange) return update_timer();
  const auto& timeouts = listener().timeouts;
  const MonoTime now = owner_.loop().recent();
  if (state == State::idle) {
    state_deadline_ = now + timeouts.idle;
  } else if (state == State::head) {
    started_ = sign_;
    state_deadline_ = now + timeouts.header;
  } else if (state == State::lingering) {
    state_deadline_ = now + linger_time;
  }
  update_timer();
}

void Http1Connection::follow_reload() {
  if (state_ == State::idle) take_up_listener();
}

void Http1Connection::take_up_listener() {
  if (client_->listener == owner_.listener()) return;
  ClientInfo client = *client_;
  client.listener = owner_.listener();
  client_ = std::make_shared<const ClientInfo>(std::move(client));
  parser_ = http::RequestHeadParser(listener().head);
}

// ---- What the socket tells

void Http1Connection::on_ready(net::Readiness ready) {
  if (dead_) return client_gone();
  sign_ = owner_.loop().now();
  if (ready.fin) fin_ = true;
  if (ready.readable) unread_ = true;
  if (ready.writable && !output_.empty()) flush();
  if (dead_) return client_gone();
  if (ready.readable && nothing_is_due()) {
    // It is a sign that the client leaves, maybe behind what was pipelined, which can wait.
    if (fin_) on_fin();
    if (state_ != State::closed && transport_->peer_state() == net::PeerState::gone) return client_gone();
  }

  if (state_ != State::closed && !input_.empty() && takes()) take({});
  if (state_ != State::closed && unread_ && (reading() || reading_ahead())) read();
  if (fin_) on_fin();
  // What is not read can hide nothing: the kernel is asked.
  if (state_ != State::closed && !reading() && transport_->peer_state() == net::PeerState::gone)
    client_gone();
}

// The request in flight is whole.
bool Http1Connection::nothing_is_due() const {
  return state_ == State::exchange && (decoder_.done() || body_failed_) && !tunnel_;
}

// Whether bytes can be processed now, or, behind the request in flight, thrown away.
bool Http1Connection::takes() const {
  return state_ != State::exchange || decoder_.done() || body_failed_ || !paused_;
}

// Whether bytes are wanted now. With a request in flight they are, once its body is whole: a close must not
// hide behind pipelined bytes.
bool Http1Connection::reading() const {
  return !read_end_ && state_ != State::closed && takes();
}

// Whether bytes are kept that can't be processed yet. The kernel tells of a FIN behind a body that is paused,
// and nobody of a close_notify.
bool Http1Connection::reading_ahead() const {
  return transport_->tls() != nullptr && !read_end_ && state_ != State::closed && !takes() &&
         input_.size() < input_cap;
}

// Until the kernel says that there is no more: a read that takes less than it could may have a reset behind
// it, for which no other event would come.
void Http1Connection::read() {
  for (int i = 0; i < reads_per_turn; ++i) {
    const std::size_t room = takes() ? input_cap : input_cap - input_.size();
    const std::span<char> buffer = owner_.loop().read_buffer().first(room);
    const net::IoResult result = transport_->read(buffer);
    switch (result.status) {
      case net::IoResult::Status::would_block:
        unread_ = false;
        return;
      case net::IoResult::Status::failed:
        return client_gone();
      case net::IoResult::Status::end:
        fin_ = read_end_ = true;
        unread_ = false;
        return;
      case net::IoResult::Status::ok:
        take({buffer.data(), result.bytes});
        break;
    }
    // Closed, or paused: pause_request(false) looks again.
    if (!reading() && !reading_ahead()) return;
  }
  transport_->poke();
}

// Processes what is kept and then `bytes`, and keeps what can't be processed yet.
void Http1Connection::take(std::string_view bytes) {
  processing_ = true;
  std::string kept = std::exchange(input_, {});
  if (!kept.empty()) bytes = kept.append(bytes);
  bytes.remove_prefix(process(bytes));
  processing_ = false;
  if (state_ == State::closed || bytes.empty()) return;

  if (nothing_is_due() && (overflow_ || bytes.size() > input_cap)) {
    overflow_ = true;
  } else if (!kept.empty()) {  // and `bytes` is the end of it
    kept.erase(0, kept.size() - bytes.size());
    input_ = std::move(kept);
  } else {
    input_.assign(bytes);
  }
}

std::size_t Http1Connection::process(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::string_view rest = bytes.substr(done);
    std::size_t taken = 0;
    switch (state_) {
      case State::idle:
        enter(State::head);
        continue;
      case State::head:
        taken = read_head(rest);
        break;
      case State::exchange:
        taken = read_body(rest);
        break;
      case State::lingering:
      case State::closed:
        return bytes.size();
    }
    if (taken == 0) break;
    done += taken;
  }
  return done;
}

// ---- Requests

std::size_t Http1Connection::read_head(std::string_view bytes) {
  if (refusal_) {
    refuse(*refusal_);
    return bytes.size();
  }
  const auto size = parser_.parse(bytes);
  if (!size) {
    refuse({Outcome::rejected, size.error().status, size.error().message});
    return bytes.size();
  }
  if (*size == 0) return 0;
  http::RequestHead head = parser_.take();
  version_ = head.version;
  keep_alive_ = head.keep_alive;
  decoder_ = http::BodyDecoder(head.framing);
  paused_ = true;
  awaits_continue_ = head.expects_continue;
  enter(State::exchange);
  if (head.framing.kind == http::Framing::Kind::length && head.framing.length > listener().body_bytes.count) {
    const http::ParseError too_long = body_too_long();
    refuse({Outcome::rejected, too_long.status, too_long.message}, std::move(head));
    return *size;
  }
  seat_->announce([this, &head] { owner_.sink().on_request(*this, std::move(head)); });
  if (fin_ && state_ == State::exchange) fin_told_ = true;  // by half_closed()
  return *size;
}

// Takes all of the body that has come, as one: a body in tiny chunks costs no write for each of them.
std::size_t Http1Connection::read_body(std::string_view bytes) {
  if (body_failed_) return bytes.size();
  if (paused_ || decoder_.done()) return 0;
  http::BodyRun run;
  std::size_t consumed = 0;
  while (consumed < bytes.size() && !decoder_.done()) {
    const auto step = decoder_.decode(bytes.substr(consumed));
    if (!step) return fail_body(step.error(), bytes);
    received_ += step->payload.size();
    if (!tunnel_ && received_ > listener().body_bytes.count) return fail_body(body_too_long(), bytes);
    run.add(step->payload);
    consumed += step->consumed;
  }
  awaits_continue_ = false;
  set_body_deadline();
  if (!run.empty() || decoder_.done()) observer_->on_request_body(run.bytes(), decoder_.done());
  return consumed;
}

std::size_t Http1Connection::fail_body(const http::ParseError& error, std::string_view bytes) {
  body_failed_ = true;  // what follows can't be told apart
  set_body_deadline();
  observer_->on_request_invalid(error);
  return bytes.size();
}

void Http1Connection::pause_request(bool paused) {
  if (paused_ == paused || state_ != State::exchange) return;
  paused_ = paused;
  set_body_deadline();
  // Of a tunnel that opens, the client's side may have ended already.
  if (!paused && !processing_ && (unread_ || !input_.empty() || (tunnel_ && read_end_))) transport_->poke();
}

void Http1Connection::refuse(const Refusal& refusal, http::RequestHead head) {
  body_failed_ = true;  // whatever follows can't be told apart
  overflow_ = true;
  if (state_ != State::exchange) enter(State::exchange);
  owner_.sink().on_refused(*this, std::move(head), refusal);
}

void Http1Connection::on_fin() {
  switch (state_) {
    case State::idle:
      close();
      return;
    case State::head:
      if (!read_end_) return;
      owner_.sink().on_abandoned(*client_, started_);
      close();
      return;
    case State::exchange:
      if (read_end_ && input_.empty() && !decoder_.done() && !body_failed_ && !tunnel_)
        return client_gone();  // the rest of the request can't come any more
      if (!fin_told_) {
        fin_told_ = true;
        observer_->on_half_close(sign_);
      }
      if (state_ == State::exchange && tunnel_ && read_end_ && input_.empty() &&
          !std::exchange(tunnel_end_told_, true))
        observer_->on_request_body({}, true);
      return;
    case State::lingering:
      if (read_end_) close();
      return;
    case State::closed:
      return;
  }
}

// ---- Responses

void Http1Connection::send_interim(int status, std::span<const http::Field> fields) {
  if (version_ == http::Version::http10 || head_sent_) return;
  http::append_response_start(output_.tail(), status, {}, fields);
  output_.tail() += "\r\n";
  if (status == 100 && std::exchange(awaits_continue_, false)) set_body_deadline();
  flush();
}

void Http1Connection::send_head(const ResponseStart& start) {
  head_sent_ = true;
  tunnel_ = start.status == 101;
  if (tunnel_ && overflow_) {  // what the client sent ahead was not all kept: no tunnel with a hole in it
    dead_ = true;
    sign_ = owner_.loop().now();
    transport_->poke();
  }
  const bool body_stays = !decoder_.done();  // the client may not know where to go on
  keep_alive_ = keep_alive_ && !owner_.draining() && !overflow_ && !fin_ && !tunnel_ && !body_stays;
  std::string& out = output_.tail();
  http::append_response_start(out, start.status, start.reason, start.fields);

  std::optional<std::uint64_t> length = start.content_length;
  switch (start.body.kind) {
    case http::Framing::Kind::none:
      format_ = BodyFormat::none;
      break;
    case http::Framing::Kind::length:
      format_ = BodyFormat::plain;
      length = start.body.length;
      break;
    case http::Framing::Kind::chunked:
    case http::Framing::Kind::until_close:
      if (tunnel_) {
        format_ = BodyFormat::plain;
        decoder_ = http::BodyDecoder(http::Framing::to_close());
      } else if (version_ == http::Version::http11) {
        format_ = BodyFormat::chunked;
        out += "Transfer-Encoding: chunked\r\n";
      } else {
        format_ = BodyFormat::plain;
        keep_alive_ = false;  // ended by the close
      }
      break;
  }
  if (length) {
    out.append("Content-Length: ").append(std::to_string(*length)).append("\r\n");
  }
  if (tunnel_) {
    // Its fields say what it is.
  } else if (!keep_alive_) {
    out += "Connection: close\r\n";
  } else if (version_ == http::Version::http10) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  owner_.loop().send_soon(*this);
}

bool Http1Connection::send_body(std::string_view data, bool last, std::span<const http::Field> trailers) {
  std::string suffix;
  if (format_ == BodyFormat::none) data = {};
  accepted_ += data.size();
  if (format_ == BodyFormat::chunked) {
    if (!data.empty()) {
      http::append_chunk_start(output_.tail(), data.size());
      suffix = http::chunk_end;
      leading_zeros_ = 0;
    }
    if (last) http::append_last_chunk(suffix, trailers);
  }
  last_sent_ = last;
  if (output_.hold_back(*this, data, suffix)) return !last;
  if (last) observer_->on_finishing(true);
  const bool all = sent_all(output_.write(*transport_, data, suffix));
  if (last && !all) observer_->on_finishing(false);
  if (last && all) end_response();
  return all;
}

void Http1Connection::send_now() {
  if (state_ == State::exchange && !dead_ && (!output_.empty() || last_sent_)) flush();
}

void Http1Connection::flush() {
  const bool finishing = state_ == State::exchange && last_sent_ && observer_ != nullptr;
  if (finishing) observer_->on_finishing(true);
  if (!sent_all(output_.write(*transport_))) {
    if (finishing) observer_->on_finishing(false);
    return;
  }
  if (state_ != State::exchange) return;
  if (last_sent_) {
    StreamObserver* observer = observer_;
    end_response();
    observer->on_sent();
  } else if (observer_ != nullptr && head_sent_) {
    observer_->on_response_drained();
  }
}

// What a write came to. A failure is told in the next turn, since we are inside a call of the observer's.
bool Http1Connection::sent_all(const net::IoResult& result) {
  if (result.status == net::IoResult::Status::failed) {
    dead_ = true;
    sign_ = owner_.loop().now();
    transport_->poke();
    return false;
  }
  const bool all = result.status == net::IoResult::Status::ok;
  if (all) {
    if (write_deadline_) {
      write_deadline_.reset();
      update_timer();
    }
  } else if (result.bytes > 0 || !write_deadline_) {
    if (!write_deadline_) write_acknowledged_ = transport_->acknowledged();
    write_deadline_ = owner_.loop().recent() + listener().timeouts.write_idle;
    update_timer();
  }
  return all;
}

std::uint64_t Http1Connection::body_bytes_sent() const {
  return accepted_ - std::min<std::uint64_t>(accepted_, output_.size());
}

// ---- A client that has sent FIN: closed, or still reading?

bool Http1Connection::probe() {
  if (transport_->tls() != nullptr) return false;
  // Of a UNIX socket the kernel tells by itself, and an event comes when the client closes.
  if (transport_->is_unix()) return transport_->peer_state() == net::PeerState::half_closed;
  fin_sign_ = sign_;
  // A client on this machine has answered before the write returns.
  if (!write_probe() || transport_->peer_state() == net::PeerState::gone) return false;
  await_verdict();
  return true;
}

// What is being sent anyway, or has been and is on its way, is a probe by itself. Otherwise a `100 Continue`,
// of which there may be any number (RFC 9110 section 15.2), or the first digit of the next chunk's size,
// which may be any number of zeros (RFC 9112 section 7.1).
bool Http1Connection::write_probe() {
  if (output_.empty()) {
    if (!head_sent_ && version_ == http::Version::http11) {
      http::append_response_start(output_.tail(), 100, {}, {});
      output_.tail() += "\r\n";
    } else if (!append_leading_zero()) {
      return head_sent_ && transport_->unacknowledged().bytes > 0;
    }
  } else if (!is_due()) {
    return true;
  }
  sent_all(output_.write(*transport_));
  return true;
}

void Http1Connection::await_verdict() {
  probe_end_ = transport_->written();
  probe_acknowledged_ = transport_->acknowledged();
  probe_deadline_ = owner_.loop().now() + probe_patience + transport_->round_trip();
  update_timer();
}

bool Http1Connection::append_leading_zero() {
  if (!head_sent_ || format_ != BodyFormat::chunked || last_sent_ || leading_zeros_ == most_leading_zeros)
    return false;
  output_.tail() += '0';
  ++leading_zeros_;
  return true;
}

void Http1Connection::send_leading_zero() {
  if (output_.empty() && append_leading_zero()) sent_all(output_.write(*transport_));
}

// A closed client would have answered with a reset, which is an event. What is not answered at all is gone.
void Http1Connection::on_probe_timer() {
  if (!probe_end_) {
    probe_deadline_.reset();
    return write_probe() ? await_verdict() : update_timer();
  }
  const net::Unacknowledged left = transport_->unacknowledged();
  const bool waits_for_room = !output_.empty() || (left.unsent > 0 && left.unsent == left.bytes);
  if (!waits_for_room && transport_->written() - left.bytes < *probe_end_) {
    // What was on its way before the probe may take longer. A closed client takes nothing of it.
    const std::uint64_t before = std::exchange(probe_acknowledged_, transport_->acknowledged());
    if (before == probe_acknowledged_) return client_gone();
    probe_deadline_ = sign_ + probe_patience + transport_->round_trip();
    return update_timer();
  }
  probe_end_.reset();
  fin_sign_.reset();
  probe_deadline_ = sign_ + probe_again;
  update_timer();
}

void Http1Connection::end_response() {
  const bool whole = decoder_.done() && !body_failed_;
  if (seat_->announced()) seat_->complete();
  observer_ = nullptr;
  served_ = true;
  body_deadline_.reset();
  probe_deadline_.reset();
  probe_end_.reset();
  fin_sign_.reset();
  leading_zeros_ = 0;
  tunnel_ = tunnel_end_told_ = false;
  head_sent_ = last_sent_ = fin_told_ = false;
  received_ = accepted_ = 0;
  if (!keep_alive_ || !whole || overflow_ || owner_.draining() || read_end_) {
    if (read_end_ || (whole && !overflow_ && input_.empty())) return close();
    input_ = {};
    transport_->shutdown_write();
    enter(State::lingering);
    transport_->poke();  // a FIN may have been seen already
    return;
  }
  decoder_ = {};
  take_up_listener();
  enter(State::idle);
  if (!input_.empty()) transport_->poke();
}

std::uint64_t Http1Connection::cut() {
  // What waits for the end of the turn still goes, so that it is the response that is cut short; but not its
  // end.
  if (!dead_ && is_due() && !last_sent_ && !output_.empty()) output_.write(*transport_);
  // A body that ends with the connection would look whole after a FIN; anything else is visibly short.
  const bool ends_by_close =
      head_sent_ && format_ == BodyFormat::plain && (tunnel_ || version_ == http::Version::http10);
  ends_by_close ? transport_->reset() : transport_->forgo_goodbye();
  const std::uint64_t sent = body_bytes_sent();
  close();
  return sent;
}

// ---- Ends

void Http1Connection::client_gone() {
  StreamObserver* observer = observer_;
  const bool in_head = state_ == State::head;
  if (in_head) owner_.sink().on_abandoned(*client_, started_);
  if (observer != nullptr) observer->on_gone(fin_sign_.value_or(sign_));
  close();
}

void Http1Connection::drain(MonoTime newcomers_until) {
  // A request that has come by now, even if only to the kernel, is answered.
  if (state_ == State::idle) on_ready({.readable = true});
  if (state_ != State::idle) return;
  if (served_) return close();
  state_deadline_ = std::min(state_deadline_, newcomers_until);
  update_timer();
}

void Http1Connection::look_for_silence(Duration limit) {
  if (state_ != State::exchange || transport_->is_unix()) return;
  if (transport_->unacknowledged().bytes == 0 || !transport_->peer_silent_for(limit)) return;
  sign_ = owner_.loop().now();
  client_gone();
}

void Http1Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  observer_ = nullptr;
  timer_->cancel();
  // evhttp shuts down the descriptor it remembers: that number must still be this socket.
  net::Fd socket = transport_->release();
  seat_.reset();
  socket.reset();
  owner_.on_closed(*this);
}

// ---- Deadlines

void Http1Connection::set_body_deadline() {
  if (!decoder_.done() && !paused_ && !body_failed_ && !tunnel_ && !awaits_continue_) {
    body_deadline_ = owner_.loop().recent() + listener().timeouts.body_idle;
  } else if (body_deadline_) {
    body_deadline_.reset();
  } else {
    return;
  }
  update_timer();
}

void Http1Connection::update_timer() {
  if (state_ != State::exchange) return timer_->set(state_deadline_);
  MonoTime next = MonoTime::max();
  for (const auto& deadline : {body_deadline_, write_deadline_, probe_deadline_}) {
    if (deadline) next = std::min(next, *deadline);
  }
  if (next == MonoTime::max()) return timer_->cancel();
  timer_->set(next);
}

// There is room to write again only when much was taken.
void Http1Connection::on_write_timer() {
  const std::uint64_t before = std::exchange(write_acknowledged_, transport_->acknowledged());
  if (before != write_acknowledged_) {
    write_deadline_ = sign_ + listener().timeouts.write_idle;
    return update_timer();
  }
  write_deadline_.reset();
  observer_->on_response_timeout();
}

void Http1Connection::on_timer() {
  sign_ = owner_.loop().now();
  switch (state_) {
    case State::idle:
    case State::lingering:
      return close();
    case State::head:
      return refuse({Outcome::client_timeout, 408, "the request's head did not come in time"});
    case State::exchange:
      if (write_deadline_ && *write_deadline_ <= sign_) {
        on_write_timer();
      } else if (body_deadline_ && *body_deadline_ <= sign_) {
        body_deadline_.reset();
        body_failed_ = true;
        observer_->on_request_timeout();
      } else if (probe_deadline_ && *probe_deadline_ <= sign_) {
        on_probe_timer();
      } else {
        update_timer();
      }
      return;
    case State::closed:
      return;
  }
}

}  // namespace hangup::downstream
