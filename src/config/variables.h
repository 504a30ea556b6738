// Which template variables may stand where.
#pragma once

#include "config/reader.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <hangup/config/config.h>
#include <hangup/config/template.h>

namespace hangup::config {

// When a template is rendered, which decides what is known.
enum class Moment : std::uint8_t { before_a_server, before_the_request, before_the_response, after_the_end };

// Reports every variable whose value is not known at that moment.
void check_moment(Reader& reader, const TemplateText& text, Moment moment);

// Reports every {path.NAME} that the route's pattern doesn't capture.
void check_captures(Reader& reader, const TemplateText& text, const PathPattern& path);

// The names in {path.NAME} without a default that `path` doesn't capture.
std::vector<std::string> missing_captures(const Template& text, const PathPattern& path);

// Warns of every variable of a trace that has no value for requests of a listener with `trace: off`. After
// all that has templates was read.
void warn_of_traces(Reader& reader, const std::vector<Listener>& listeners);

// The same of {auth.name} and {client.subject} where nothing could give them one.
void warn_of_absent_names(Reader& reader, const Config& config);

// Where bytes of a JSON text stand, as they come by.
class JsonStringTracker {
 public:
  void pass(std::string_view literal);
  bool inside_string() const { return inside_; }

 private:
  bool inside_ = false;
  bool escaped_ = false;
};

// Reports every variable that stands outside of the strings of a JSON text, where escaping can't hold it in.
void check_json_strings(Reader& reader, const TemplateText& text);

}  // namespace hangup::config
