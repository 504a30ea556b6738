#include "cleanup/sender.h"

#include "cleanup/url.h"

namespace hangup::cleanup {

Result<std::string> Sender::receiver_of(const Delivery& delivery) const {
  auto url = parse_url(delivery.url);
  if (!url) return std::unexpected(std::move(url.error()));
  std::string name = url->receiver();
  if (!delivery.socket.empty()) name += ' ' + delivery.socket;
  return name;
}

}  // namespace hangup::cleanup
