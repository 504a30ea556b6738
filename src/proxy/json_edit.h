// Sets a field of a JSON document and leaves every other byte as it is.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace hangup::proxy {

// Sets the field at `path`, keys with dots between them, of a document that is an object. `value` is JSON.
// A field that is there gets the value in its place; one that is there several times is there once after
// that, at its last place; one that is missing becomes the last of its object, and so do the objects on the
// way to it. Where an object on the way is there several times, each is changed: receivers differ in which
// they take. The error says why that can't be done: the document is not valid, no object, or something on the
// way is none.
std::expected<std::string, std::string> with_field(std::string_view document, std::string_view path,
                                                   std::string_view value);

// A whole JSON text.
bool is_json(std::string_view text);

}  // namespace hangup::proxy
