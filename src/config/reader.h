// Reads single values of a document and collects what is wrong with them.
#pragma once

#include "config/document.h"
#include "config/file.h"
#include "config/quote.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
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

// A variable that the configuration uses, and where.
struct UsedVariable {
  VariableRef ref;
  Position position;
};

class Reader {
 public:
  // `text` is what `document` was read from; outlives the reader.
  explicit Reader(std::string_view text);

  void problem(Position position, std::string message);
  // What is no reason to refuse the configuration, but probably not what was meant.
  void warning(Position position, std::string message);
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

  // Calls visit(ref, its place) for each variable. The place is found again by what the variable starts with:
  // exact unless the environment put the same text there. REQUIRES: the template's node is still there.
  template <typename Visit>
  void for_each_variable(const TemplateText& text, Visit visit) const;

  // Of all templates so far, for what only the whole configuration tells.
  const std::vector<UsedVariable>& used_variables() const { return used_variables_; }
  // One of a text that is no template.
  void used(UsedVariable variable) { used_variables_.push_back(std::move(variable)); }

  // Of the files with secrets that the configuration names; known before the first of them is read.
  SecretPolicy secret_policy() const { return secret_policy_; }
  void set_secret_policy(SecretPolicy policy) { secret_policy_ = policy; }

  // In the order of the file, each once, and not more than anybody would read.
  std::vector<Problem> take_problems();
  std::vector<Problem> take_warnings();

 private:
  std::vector<std::string_view> lines_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::vector<UsedVariable> used_variables_;
  SecretPolicy secret_policy_ = SecretPolicy::private_only;
};

template <typename Visit>
void Reader::for_each_variable(const TemplateText& text, Visit visit) const {
  std::size_t from = 0;
  for (const auto& segment : text.compiled.segments()) {
    const auto* ref = std::get_if<VariableRef>(&segment);
    if (ref == nullptr) continue;
    const std::string start = "{" + variable_name(*ref);
    const std::size_t at = text.node->text.find(start, from);
    visit(*ref, within(*text.node, at == std::string::npos ? 0 : at));
    if (at != std::string::npos) from = at + start.size();
  }
}

// "`text`", "nothing", "a list", "an empty mapping". Shows what the file says, not what the environment put
// there: that may be a secret.
std::string describe(const Node& node);

}  // namespace hangup::config
