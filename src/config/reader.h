// Reads single values of a document and collects what is wrong with them.
#pragma once

#include "config/document.h"
#include "config/file.h"
#include "config/quote.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/config/config.h>
#include <hangup/config/template.h>

namespace hangup::config {

// A scalar with its ${ENV} replaced.
struct Text {
  std::string value;
  const Node* node = nullptr;
};

// A compiled template and where it came from, for what is checked later.
struct TemplateText {
  Template compiled;
  const Node* node = nullptr;
};

class Reader {
 public:
  // `text` is what `document` was read from; outlives the reader.
  explicit Reader(std::string_view text);

  void problem(Position position, std::string message);
  // "`key`: found X, expected Y", and the nearest of `names` to what was found.
  void unexpected(const Node& node, std::string_view key, std::string_view expected,
                  const std::vector<std::string_view>& names = {});

  // `key` names the value in messages. nullopt: a problem was reported.
  std::optional<Text> text(const Node& node, std::string_view key, std::string_view expected = "a text");
  // Of what is secret, no problem shows any.
  std::optional<TemplateText> template_text(const Node& node, std::string_view key, bool is_secret = false);
  std::optional<std::uint64_t> number(const Node& node, std::string_view key, std::uint64_t least,
                                      std::uint64_t most);

  // The place of the byte at `offset` of the scalar's text, if it stands in the file as it is; else the
  // scalar's.
  Position within(const Node& node, std::size_t offset) const;

  // Of the files with secrets that the configuration names; known before the first of them is read.
  SecretPolicy secret_policy() const { return secret_policy_; }
  void set_secret_policy(SecretPolicy policy) { secret_policy_ = policy; }

  // In the order of the file, each once, and not more than anybody would read.
  std::vector<Problem> take_problems();

 private:
  std::vector<std::string_view> lines_;
  std::vector<Problem> problems_;
  SecretPolicy secret_policy_ = SecretPolicy::private_only;
};

// "`text`", "nothing", "a list", "an empty mapping". Shows what the file says, not what the environment put
// there: that may be a secret.
std::string describe(const Node& node);

}  // namespace hangup::config
