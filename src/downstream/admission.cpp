#include "downstream/admission.h"

#include <spdlog/spdlog.h>

#include <cstring>
#include <utility>

namespace hangup::downstream {
namespace {

constexpr std::string_view client_has_enough =
    "your address has as many connections as it may; try again later";

}  // namespace

Admission::Admission(net::EventLoop& loop, SharedListener& shared, Host& host)
    : loop_(loop),
      shared_(shared),
      counts_(shared.counts.add()),
      host_(host),
      refusals_(loop, shared.limits),
      full_(loop, shared.full,
            [this](std::uint64_t times) {
              shared_.log.warn("listener is full name={} limits.connections={}: new connections {} times={}",
                               host_.listener()->name, shared_.limits.most(),
                               shared_.limits.waits_when_full() ? "wait for one to close" : "get 503", times);
            }),
      client_full_(loop, shared.client_full,
                   [this](std::uint64_t times) {
                     shared_.log.warn(
                         "client has too many connections, more get 503 name={} client={} "
                         "limits.connections_per_client={} times={}",
                         host_.listener()->name, refused_client_, shared_.limits.most_of_a_client(), times);
                   }),
      accept_failed_(loop, shared.accept_failed, [this](std::uint64_t times) {
        shared_.log.error(
            "cannot accept connections, they wait name={} error=\"{}\" times={}: raise the limit on open "
            "files, or lower limits.connections",
            host_.listener()->name, std::strerror(accept_error_), times);
      }) {
  waiter_.wake = [this] {
    loop_.post([this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      waiting_ = false;
      admit_held();
    });
  };
}

Admission::~Admission() {
  shared_.limits.forget(waiter_);
}

ConnectionPlace Admission::place() {
  if (!shared_.limits.waits_when_full()) return shared_.limits.take();
  ConnectionPlace place = wait_for_place();
  if (!place) full_.happened();
  return place;
}

ConnectionPlace Admission::wait_for_place() {
  ConnectionPlace place;
  if (!waiting_) place = shared_.limits.take_or_wait(waiter_);
  waiting_ = !place;
  if (waiting_) host_.pause_accepting();
  return place;
}

void Admission::hold_or_refuse(Newcomer newcomer) {
  if (draining_) return;
  if (shared_.limits.waits_when_full()) {
    held_.push_back(std::move(newcomer));
    if (!waiting_) admit_held();  // there was a place between its accept and now
    return;
  }
  full_.happened();
  counts_.refused_full.add();
  refuse(std::move(newcomer), "this server has as many connections as it may; try again later");
}

void Admission::admit_held() {
  while (!held_.empty()) {
    ConnectionPlace place = wait_for_place();
    if (!place) return;
    Newcomer newcomer = std::move(held_.front());
    held_.pop_front();
    newcomer.place = std::move(place);
    host_.on_admitted(std::move(newcomer));
  }
  host_.resume_accepting();
  shared_.limits.pass_on();
}

bool Admission::admit_client(Newcomer& newcomer) {
  if (name_client(newcomer.place, newcomer.peer)) return true;
  refuse_client(std::move(newcomer));
  return false;
}

void Admission::refuse_client(Newcomer newcomer) {
  refuse(std::move(newcomer), client_has_enough);
}

bool Admission::name_client(ConnectionPlace& place, const SocketAddress& client) {
  if (place.name_client(client)) return true;
  refused_client_ = client.host();
  client_full_.happened();
  counts_.refused_client.add();
  return false;
}

void Admission::refuse(Newcomer newcomer, std::string_view why) {
  if (host_.listener()->tls) return;
  refusals_.refuse(std::move(newcomer.seat), std::move(newcomer.socket), why);
}

void Admission::on_accept_error(int error) {
  accept_error_ = error;
  accept_failed_.happened();
}

void Admission::drain() {
  draining_ = true;
  shared_.limits.forget(waiter_);
  held_.clear();
}

}  // namespace hangup::downstream
