// /openapi.json, and /docs: the same as a page.
#include <algorithm>
#include <cctype>

#include "qwen-serve/api_description.h"
#include "qwen-serve/web_files.h"

namespace qwen_serve {
namespace {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string element(const char* name, const std::string& html) {
  return std::string("<") + name + ">" + html + "</" + name + ">";
}

// The text in single quotes, as a shell reads it.
std::string shell_quote(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

const Json& resolve(const Json& document, const Json& schema) {
  const auto found = schema.find("$ref");
  if (found == schema.end()) return schema;
  return document.at(Json::json_pointer(found->get<std::string>().substr(1)));
}

std::string schema_name(const Json& schema) {
  const std::string target = schema.value("$ref", "");
  return target.substr(target.rfind('/') + 1);
}

std::string type_name(const Json& schema) {
  if (schema.contains("$ref")) return schema_name(schema);
  if (schema.contains("const")) return dump(schema["const"]);
  if (schema.contains("enum")) {
    std::string out;
    for (const Json& value : schema["enum"]) out += (out.empty() ? "" : ", ") + dump(value);
    return out;
  }
  if (schema.contains("anyOf")) {
    std::string out;
    for (const Json& choice : schema["anyOf"]) out += (out.empty() ? "" : " or ") + type_name(choice);
    return out;
  }
  if (!schema.contains("type")) return "any";
  std::string out;
  if (schema["type"].is_array())
    for (const Json& type : schema["type"]) out += (out.empty() ? "" : " or ") + type.get<std::string>();
  else
    out = schema["type"].get<std::string>();
  if (out == "array" && schema.contains("items")) out += " of " + type_name(schema["items"]);
  if (schema.contains("minimum")) out += " from " + dump(schema["minimum"]);
  if (schema.contains("maximum")) out += " to " + dump(schema["maximum"]);
  return out;
}

// Rows of a schema's fields; those that are ignored or refused are in one line below.
std::string fields_table(const Json& schema) {
  if (!schema.contains("properties")) return {};
  std::string rows, ignored, refused;
  const Json required = schema.value("required", Json::array());
  for (const auto& [name, value] : schema["properties"].items()) {
    const std::string description = value.value("description", "");
    if (description == "Ignored" || description == "Not supported") {
      std::string& list = description == "Ignored" ? ignored : refused;
      list += (list.empty() ? "" : ", ") + element("code", escape(name));
      continue;
    }
    const bool needed = std::find(required.begin(), required.end(), name) != required.end();
    rows += element("tr", element("td", element("code", escape(name))) +
                              element("td", escape(type_name(value)) + (needed ? ", required" : "")) +
                              element("td", escape(description))) +
            "\n";
  }
  std::string html =
      "<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Type</th>"
      "<th scope=\"col\">Meaning</th></tr></thead>\n<tbody>\n" +
      rows + "</tbody></table></div>\n";
  if (!ignored.empty()) html += element("p", "Ignored: " + ignored) + "\n";
  if (!refused.empty()) html += element("p", "Refused: " + refused) + "\n";
  return html;
}

std::string example(const Json& operation, const std::string& method, const std::string& url) {
  std::string command = "curl ";
  if (method == "delete") command += "-X DELETE ";
  if (operation.contains("security")) command += "-H 'Authorization: Bearer KEY' ";
  command += url;
  if (operation.contains("requestBody")) {
    const Json& media = operation["requestBody"]["content"]["application/json"];
    command += " -d " + shell_quote(dump(media.value("example", Json::object())));
  }
  return "<pre><code>" + escape(command) + "</code></pre>\n";
}

std::string operation_html(const Json& document, const std::string& path, const std::string& method,
                           const Json& operation, const std::string& server) {
  std::string name = method;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string html = "<section id=\"" + escape(operation["operationId"].get<std::string>()) + "\">\n" +
                     element("h2", element("code", escape(name + " " + path))) + "\n" +
                     element("p", escape(operation["summary"].get<std::string>()) +
                                      (operation.contains("security") ? ". Needs a key." : "")) +
                     "\n" + example(operation, method, server + path);
  if (operation.contains("requestBody")) {
    const Json& schema = operation["requestBody"]["content"]["application/json"]["schema"];
    html += fields_table(resolve(document, schema));
  }
  for (const auto& [status, response] : operation["responses"].items()) {
    std::string types;
    if (response.contains("content"))
      for (const auto& [type, media] : response["content"].items()) {
        const std::string schema = schema_name(media["schema"]);
        types += (types.empty() ? " " : ", ") + element("code", escape(type)) +
                 (schema.empty() ? "" : " " + escape(schema));
      }
    html +=
        element("p", (status == "default" ? "Errors" : status) + ":" + (types.empty() ? " no body" : types)) +
        "\n";
  }
  return html + "</section>\n";
}

// The address that the client used, for the examples.
std::string server_address(const RequestContext& context) {
  const std::string host = context.request.header("Host");
  const bool plain = !host.empty() && std::ranges::all_of(host, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view(".:[]-_").find(c) != std::string_view::npos;
  });
  return "http://" + (plain ? host : "127.0.0.1:8080");
}

}  // namespace

std::string docs_page(const Json& document, const std::string& server) {
  std::string list, sections;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      std::string name = method;
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      list += "<li><a href=\"#" + escape(operation["operationId"].get<std::string>()) + "\">" +
              element("code", escape(name + " " + path)) + "</a> " +
              escape(operation["summary"].get<std::string>()) + "</li>\n";
      sections += operation_html(document, path, method, operation, server);
    }
  std::string schemas;
  for (const auto& [name, schema] : document["components"]["schemas"].items())
    schemas += "<section id=\"" + escape(name) + "\">\n" + element("h3", escape(name)) + "\n" +
               fields_table(schema) + "</section>\n";
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>qwen-serve: API</title>\n"
         "<link rel=\"icon\" href=\"/web/icon.svg\">\n<link rel=\"stylesheet\" href=\"/web/docs.css\">\n"
         "</head>\n<body>\n<main>\n<h1>qwen-serve: API</h1>\n" +
         element("p", escape(document["info"]["description"].get<std::string>()) +
                          " As <a href=\"/openapi.json\">OpenAPI 3.1</a>.") +
         "\n<nav aria-label=\"Routes\"><ul>\n" + list + "</ul></nav>\n" + sections + "<h2>Schemas</h2>\n" +
         schemas + "</main>\n</body>\n</html>\n";
}

void openapi(Service& service, RequestContext& context) {
  context.json(openapi_document(service.keys.required()));
}

void docs(Service& service, RequestContext& context) {
  HttpResponse& response = context.response;
  response.status = 200;
  response.set_header("Content-Security-Policy", std::string(kWebSecurityPolicy));
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_content(docs_page(openapi_document(service.keys.required()), server_address(context)),
                       "text/html; charset=utf-8");
}

}  // namespace qwen_serve
