// Jinja's statements, a function for each tag.
#include <initializer_list>
#include <utility>

#include "templates/expression_parser.h"

namespace qwen::templates {
namespace {

class StatementParser : ExpressionParser {
 public:
  explicit StatementParser(std::vector<LexToken> tokens) : ExpressionParser(std::move(tokens)) {}

  Body parse() {
    Body body = parse_body({});
    if (current().kind != TokenKind::end) unknown_tag();
    for (const Unknown& u : unknown_) {
      if (!u.name.known) fail_syntax(u.place, "no ", u.what, " named ", quoted(u.text));
      fail_unsupported_at(u.place, cat("the ", u.what, " ", u.text));
    }
    return body;
  }

 private:
  // Until one of the tags `ends`, which is left as the current token, or the end of the template.
  Body parse_body(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(*this);
    Body body;
    for (;;) {
      const LexToken& token = current();
      switch (token.kind) {
        case TokenKind::data: {
          Node node{};
          node.kind = NodeKind::text;
          node.place = token.place;
          node.text = Text(token.text, Origin::template_text);
          body.push_back(std::move(node));
          next();
          break;
        }
        case TokenKind::variable_begin: {
          Node node{};
          node.kind = NodeKind::output;
          node.place = next().place;
          node.expr = parse_tuple(true, false, {});
          if (current().kind != TokenKind::variable_end) unexpected("\"}}\"");
          next();
          body.push_back(std::move(node));
          break;
        }
        case TokenKind::block_begin:
          next();
          for (const std::string_view end : ends)
            if (is_name(current(), end)) return body;
          parse_statement(body);
          if (current().kind != TokenKind::block_end) unexpected("\"%}\"");
          next();
          break;
        default:
          if (ends.size() > 0)
            fail_syntax(token.place, "unexpected end of the template, expected {% ", *ends.begin(), " %}");
          return body;
      }
    }
  }

  // The rest of a tag, its body, and the tag that ends it; at the name of that tag.
  Body parse_block(std::initializer_list<std::string_view> ends) {
    skip_symbol(":");
    if (current().kind != TokenKind::block_end) unexpected("\"%}\"");
    next();
    return parse_body(ends);
  }
  // The same for a block with one end, in which unknown names are errors at once.
  Body parse_inner_block(std::string_view end) {
    const bool outer = std::exchange(soft_, false);
    Body body = parse_block({end});
    next();
    soft_ = outer;
    return body;
  }

  [[noreturn]] void unknown_tag() {
    static constexpr std::string_view kUnsupported[] = {"block", "extends",    "include", "import", "from",
                                                        "do",    "autoescape", "trans",   "print",  "debug"};
    for (const std::string_view name : kUnsupported)
      if (is_name(current(), name)) fail_unsupported_at(current().place, cat("the tag ", name));
    fail_syntax(current().place, "unknown tag ", describe(current()));
  }

  void parse_statement(Body& body) {
    const Nesting nesting(*this);
    if (current().kind != TokenKind::name) unexpected("a tag's name");
    Node node{};
    node.place = current().place;
    const std::string name = current().text;
    if (name == "if") {
      next();
      parse_if(node);
    } else if (name == "for") {
      next();
      parse_for(node);
    } else if (name == "set") {
      next();
      parse_set(node);
    } else if (name == "macro") {
      next();
      parse_macro(node);
    } else if (name == "call") {
      next();
      parse_call_block(node);
    } else if (name == "filter") {
      next();
      node.kind = NodeKind::filter_block;
      node.expr = parse_filter(parse_filter_name(nullptr));
      node.body = parse_inner_block("endfilter");
    } else if (name == "generation") {
      next();
      node.kind = NodeKind::scope;
      const int loops = std::exchange(loops_, 0);
      node.body = parse_inner_block("endgeneration");
      loops_ = loops;
    } else if (name == "with") {
      next();
      parse_with(node);
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) fail_syntax(node.place, name, " outside of a loop");
      next();
      node.kind = name == "break" ? NodeKind::loop_break : NodeKind::loop_continue;
    } else {
      unknown_tag();
    }
    body.push_back(std::move(node));
  }

  void parse_if(Node& node) {
    node.kind = NodeKind::condition;
    const bool outer = std::exchange(soft_, true);
    node.expr = parse_tuple(false, false, {});
    node.body = parse_block({"elif", "else", "endif"});
    if (is_name(current(), "elif")) {
      Node other{};
      other.place = next().place;
      // A long chain of elif would nest deeply: it is a list.
      parse_elif(node, std::move(other));
    } else if (is_name(current(), "else")) {
      next();
      node.else_body = parse_block({"endif"});
      next();
    } else {
      next();
    }
    soft_ = outer;
  }

  // Conditions after the first are alternatives in else_body, in order; one without `expr` is the else.
  void parse_elif(Node& node, Node alternative) {
    for (;;) {
      alternative.kind = NodeKind::condition;
      alternative.expr = parse_tuple(false, false, {});
      alternative.body = parse_block({"elif", "else", "endif"});
      node.else_body.push_back(std::move(alternative));
      alternative = Node{};
      alternative.place = current().place;
      if (!is_name(current(), "elif")) break;
      next();
    }
    node.alternatives = node.else_body.size();
    if (is_name(current(), "else")) {
      next();
      Body last = parse_block({"endif"});
      for (Node& item : last) node.else_body.push_back(std::move(item));
    }
    next();
  }

  void parse_for(Node& node) {
    node.kind = NodeKind::loop;
    const bool outer = std::exchange(soft_, false);
    node.target = parse_target(false, "in");
    refuse_loop_target(node.target);
    expect_name("in");
    node.expr = parse_tuple(false, false, "recursive");
    if (skip_name("if")) node.condition = parse_expression();
    node.recursive = skip_name("recursive");
    ++loops_;
    node.body = parse_block({"endfor", "else"});
    --loops_;
    if (is_name(current(), "else")) {
      next();
      node.else_body = parse_block({"endfor"});
    }
    next();
    soft_ = outer;
  }

  static void refuse_loop_target(const Target& target) {
    if (target.name == "loop")
      fail_syntax(target.place, "the variable loop cannot be assigned in a for loop");
    for (const Target& part : target.parts) refuse_loop_target(part);
  }

  // A name, a namespace's attribute, or several names.
  Target parse_target(bool with_attribute, std::string_view end_name) {
    const Place place = current().place;
    if (with_attribute && current().kind == TokenKind::name && look().kind == TokenKind::symbol &&
        look().text == ".") {
      Target target = name_target();
      next();
      target.attribute = expect_any_name();
      return target;
    }
    Target first = simple_target();
    if (!is_symbol(",")) return first;
    Target tuple;
    tuple.place = place;
    tuple.is_tuple = true;
    tuple.parts.push_back(std::move(first));
    while (skip_symbol(",")) {
      if (at_tuple_end(end_name) || is_symbol("=")) break;
      tuple.parts.push_back(simple_target());
    }
    return tuple;
  }

  Target name_target() {
    Target target;
    target.place = current().place;
    target.name = expect_any_name();
    for (const std::string_view reserved : {"true", "false", "none", "True", "False", "None"})
      if (target.name == reserved) fail_syntax(target.place, "cannot assign to ", quoted(target.name));
    return target;
  }

  Target simple_target() {
    const Nesting nesting(*this);
    if (!skip_symbol("(")) return name_target();
    Target target = parse_target(false, {});
    expect_symbol(")");
    return target;
  }

  void parse_set(Node& node) {
    node.target = parse_target(true, {});
    if (skip_symbol("=")) {
      node.kind = NodeKind::set;
      node.expr = parse_tuple(true, false, {});
      return;
    }
    node.kind = NodeKind::set_block;
    if (skip_symbol("|")) node.expr = parse_filter(parse_filter_name(nullptr));
    node.body = parse_inner_block("endset");
  }

  void parse_with(Node& node) {
    node.kind = NodeKind::with;
    while (current().kind != TokenKind::block_end) {
      if (!node.with.empty()) expect_symbol(",");
      Target target = parse_target(false, {});
      expect_symbol("=");
      ExprPtr value = parse_expression();
      node.with.emplace_back(std::move(target), std::move(value));
    }
    node.body = parse_inner_block("endwith");
  }

  void parse_parameters(MacroNode& macro) {
    expect_symbol("(");
    while (!is_symbol(")")) {
      if (!macro.parameters.empty()) expect_symbol(",");
      Parameter parameter;
      const Target target = name_target();
      parameter.name = target.name;
      for (const Parameter& other : macro.parameters)
        if (other.name == parameter.name)
          fail_syntax(target.place, "duplicate parameter ", quoted(other.name));
      if (skip_symbol("="))
        parameter.default_value = parse_expression();
      else if (!macro.parameters.empty() && macro.parameters.back().default_value)
        fail_syntax(current().place, "a parameter without a default after one with a default");
      macro.parameters.push_back(std::move(parameter));
    }
    next();
  }

  void parse_macro_body(MacroNode& macro, std::string_view end) {
    MacroNode* const outer = std::exchange(macro_, &macro);
    const int loops = std::exchange(loops_, 0);
    macro.body = parse_inner_block(end);
    loops_ = loops;
    macro_ = outer;
  }

  void parse_macro(Node& node) {
    node.kind = NodeKind::macro;
    node.macro = std::make_unique<MacroNode>();
    node.macro->name = name_target().name;
    parse_parameters(*node.macro);
    parse_macro_body(*node.macro, "endmacro");
  }

  void parse_call_block(Node& node) {
    node.kind = NodeKind::call_block;
    node.macro = std::make_unique<MacroNode>();
    node.macro->name = "caller";
    if (is_symbol("(")) parse_parameters(*node.macro);
    node.expr = parse_expression();
    if (node.expr->kind != ExprKind::call) fail_syntax(node.place, "expected a call");
    parse_macro_body(*node.macro, "endcall");
  }

  int loops_ = 0;  // that a break would leave
};

}  // namespace

Body parse_template(std::string_view source) {
  return StatementParser(tokenize(source)).parse();
}

}  // namespace qwen::templates
