// Parameters of a query, which is `name=value` pairs with & between them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hangup/config/template.h>

namespace hangup::proxy {

// The first value of a parameter, decoded into `scratch`.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name,
                                                std::string& scratch);

// Appends the query with these parameters set: every parameter of such a (decoded) name is taken out, the
// others stay byte for byte and in order, and what is set comes last. A template's variables are encoded, its
// own text is not. One without a value, or with a raw value that a query can't have, leaves its parameter
// out.
void append_changed_query(std::string& out, std::string_view query,
                          const std::vector<std::pair<std::string, config::Template>>& set,
                          const config::VariableSource& variables);

}  // namespace hangup::proxy
