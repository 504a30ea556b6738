// A request's body that is kept until it is whole, since its route sets fields in it (set_json).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <hangup/config/config.h>
#include <hangup/http/message.h>

namespace hangup::proxy {

// Bounded by the route's json_limit and one piece more.
class BodyPlanting {
 public:
  // `changes` outlives it.
  explicit BodyPlanting(const config::RequestChanges& changes) : changes_(changes) {}

  // Why the body of such a request is forwarded as it is; nothing if it is worth looking at. Fit to follow
  // "left the body as it is: ".
  static std::optional<std::string> obstacle(const http::RequestHead& request,
                                             const config::RequestChanges& changes);

  // False when the body is longer than the limit: what came so far is to be forwarded as it is, and then the
  // rest.
  bool add(std::string_view data);
  // The body is whole: sets the fields, all of them or none. What stood in the way, if anything did. A
  // template without a value leaves its field as it is.
  std::optional<std::string> plant(const config::VariableSource& variables);

  const std::string& body() const { return body_; }
  bool edited() const { return edited_; }

 private:
  const config::RequestChanges& changes_;
  std::string body_;
  bool edited_ = false;
};

}  // namespace hangup::proxy
