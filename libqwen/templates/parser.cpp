// Jinja's grammar, a function for each rule, in the order of Jinja's own precedence.
#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "templates/ast.h"

namespace qwen::templates {
namespace {

// Bounds the recursion of the parser, of the evaluator and of the tree's destructor.
constexpr int kMaxTreeDepth = 200;

constexpr std::string_view kCompareSymbols[] = {"==", "!=", ">", ">=", "<", "<="};

class Parser {
 public:
  explicit Parser(std::vector<LexToken> tokens) : tokens_(std::move(tokens)) {}

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
  // ---- tokens

  const LexToken& current() const { return tokens_[at_]; }
  const LexToken& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  LexToken next() {
    LexToken token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  static bool is_name(const LexToken& token, std::string_view name) {
    return token.kind == TokenKind::name && token.text == name;
  }
  bool is_symbol(std::string_view symbol) const {
    return current().kind == TokenKind::symbol && current().text == symbol;
  }
  bool skip_name(std::string_view name) {
    const bool found = is_name(current(), name);
    if (found) next();
    return found;
  }
  bool skip_symbol(std::string_view symbol) {
    const bool found = is_symbol(symbol);
    if (found) next();
    return found;
  }
  [[noreturn]] void unexpected(std::string_view expected) const {
    fail_syntax(current().place, "expected ", expected, ", found ", describe(current()));
  }
  void expect_symbol(std::string_view symbol) {
    if (!skip_symbol(symbol)) unexpected(quoted(symbol));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) unexpected(quoted(name));
  }
  std::string expect_any_name() {
    if (current().kind != TokenKind::name) unexpected("a name");
    return next().text;
  }

  // ---- building

  // Guards the parser's own recursion.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxTreeDepth)
        fail_syntax(parser_.current().place, "nested deeper than ", kMaxTreeDepth, " levels");
    }
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Parser& parser_;
  };

  template <class... Children>
  static ExprPtr make(ExprKind kind, Place place, std::string text = {}, Children... children) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->place = place;
    expr->text = std::move(text);
    (add_child(*expr, std::move(children)), ...);
    return expr;
  }
  static void note_depth(Expr& parent, const ExprPtr& child) {
    if (!child) return;
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kMaxTreeDepth)
      fail_syntax(parent.place, "an expression nested deeper than ", kMaxTreeDepth, " levels");
  }
  static void add_child(Expr& parent, ExprPtr child) {
    note_depth(parent, child);
    parent.children.push_back(std::move(child));
  }
  static ExprPtr constant(Place place, Value value) {
    ExprPtr expr = make(ExprKind::constant, place);
    expr->value = std::move(value);
    return expr;
  }
  static void set_arguments(Expr& expr, Arguments arguments) {
    for (const ExprPtr& argument : arguments.positional) note_depth(expr, argument);
    for (const auto& [name, argument] : arguments.keywords) note_depth(expr, argument);
    note_depth(expr, arguments.more_positional);
    note_depth(expr, arguments.more_keywords);
    expr.arguments = std::move(arguments);
  }

  // ---- expressions

  ExprPtr parse_expression() {
    const Nesting nesting(*this);
    const std::size_t unknown = unknown_.size();
    ExprPtr expr = parse_or();
    if (!is_name(current(), "if")) return expr;
    while (is_name(current(), "if")) {
      const Place place = next().place;
      ExprPtr condition = parse_or();
      ExprPtr otherwise = skip_name("else") ? parse_expression() : nullptr;
      expr =
          make(ExprKind::conditional, place, "", std::move(expr), std::move(condition), std::move(otherwise));
    }
    // Unknown filters and tests in a conditional expression are errors only when they are reached.
    unknown_.erase(unknown_.begin() + static_cast<std::ptrdiff_t>(unknown), unknown_.end());
    return expr;
  }

  ExprPtr parse_or() {
    ExprPtr left = parse_and();
    while (is_name(current(), "or")) {
      const Place place = next().place;
      ExprPtr right = parse_and();
      left = make(ExprKind::logical_or, place, "", std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr parse_and() {
    ExprPtr left = parse_not();
    while (is_name(current(), "and")) {
      const Place place = next().place;
      ExprPtr right = parse_not();
      left = make(ExprKind::logical_and, place, "", std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr parse_not() {
    if (!is_name(current(), "not")) return parse_compare();
    const Nesting nesting(*this);
    const Place place = next().place;
    return make(ExprKind::logical_not, place, "", parse_not());
  }

  std::string compare_operator() {
    if (current().kind == TokenKind::symbol)
      for (const std::string_view symbol : kCompareSymbols)
        if (current().text == symbol) return next().text;
    if (skip_name("in")) return "in";
    if (is_name(current(), "not") && is_name(look(), "in")) {
      next();
      next();
      return "not in";
    }
    return {};
  }

  ExprPtr parse_compare() {
    const Place place = current().place;
    ExprPtr first = parse_sum();
    std::string op = compare_operator();
    if (op.empty()) return first;
    ExprPtr expr = make(ExprKind::compare, place, "", std::move(first));
    for (; !op.empty(); op = compare_operator()) {
      expr->operators.push_back(op);
      add_child(*expr, parse_sum());
    }
    return expr;
  }

  ExprPtr parse_sum() {
    ExprPtr left = parse_concat();
    while (is_symbol("+") || is_symbol("-")) left = binary(std::move(left), &Parser::parse_concat);
    return left;
  }

  ExprPtr parse_concat() {
    const Place place = current().place;
    ExprPtr first = parse_product();
    if (!is_symbol("~")) return first;
    ExprPtr expr = make(ExprKind::concat, place, "", std::move(first));
    while (skip_symbol("~")) add_child(*expr, parse_product());
    return expr;
  }

  ExprPtr parse_product() {
    ExprPtr left = parse_power();
    while (is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%"))
      left = binary(std::move(left), &Parser::parse_power);
    return left;
  }

  ExprPtr parse_power() {
    ExprPtr left = parse_unary(true);
    while (is_symbol("**")) left = binary(std::move(left), &Parser::parse_filtered_unary);
    return left;
  }

  ExprPtr binary(ExprPtr left, ExprPtr (Parser::*parse_right)()) {
    const LexToken op = next();
    ExprPtr right = (this->*parse_right)();
    return make(ExprKind::binary, op.place, op.text, std::move(left), std::move(right));
  }

  ExprPtr parse_filtered_unary() { return parse_unary(true); }

  ExprPtr parse_unary(bool with_filter) {
    const Nesting nesting(*this);
    ExprPtr expr;
    const Place place = current().place;
    if (skip_symbol("-"))
      expr = make(ExprKind::negate, place, "", parse_unary(false));
    else if (skip_symbol("+"))
      expr = make(ExprKind::plus, place, "", parse_unary(false));
    else
      expr = parse_primary();
    expr = parse_postfix(std::move(expr));
    return with_filter ? parse_filters_and_tests(std::move(expr)) : std::move(expr);
  }

  ExprPtr parse_primary() {
    const LexToken token = current();
    switch (token.kind) {
      case TokenKind::name:
        next();
        if (token.text == "true" || token.text == "True") return constant(token.place, Value::boolean(true));
        if (token.text == "false" || token.text == "False")
          return constant(token.place, Value::boolean(false));
        if (token.text == "none" || token.text == "None") return constant(token.place, Value());
        note_special(token.text);
        return make(ExprKind::name, token.place, token.text);
      case TokenKind::string: {
        std::string text;
        while (current().kind == TokenKind::string) text += next().text;
        return constant(token.place, Value::string(text, Origin::template_text));
      }
      case TokenKind::integer: {
        next();
        std::int64_t value = 0;
        const auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error != std::errc()) return constant(token.place, Value::big_integer(token.text));
        return constant(token.place, Value::integer(value));
      }
      case TokenKind::real: {
        next();
        double value = 0;
        const auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error != std::errc()) fail_syntax(token.place, "the number ", token.text, " is out of range");
        return constant(token.place, Value::real(value));
      }
      default: break;
    }
    if (is_symbol("(")) {
      next();
      ExprPtr expr = parse_tuple(true, true, {});
      expect_symbol(")");
      return expr;
    }
    if (is_symbol("[")) return parse_list();
    if (is_symbol("{")) return parse_dict();
    unexpected("an expression");
  }

  bool at_tuple_end(std::string_view end_name) const {
    const TokenKind kind = current().kind;
    return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_symbol(")") ||
           (!end_name.empty() && is_name(current(), end_name));
  }

  // One expression, or a tuple of several separated by commas.
  ExprPtr parse_tuple(bool with_condition, bool in_parentheses, std::string_view end_name) {
    const Place place = current().place;
    std::vector<ExprPtr> items;
    bool is_tuple = false;
    for (;;) {
      if (!items.empty()) expect_symbol(",");
      if (at_tuple_end(end_name)) break;
      items.push_back(with_condition ? parse_expression() : parse_or());
      if (!is_symbol(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && !items.empty()) return std::move(items[0]);
    if (!is_tuple && !in_parentheses) unexpected("an expression");
    ExprPtr tuple = make(ExprKind::tuple, place);
    for (ExprPtr& item : items) add_child(*tuple, std::move(item));
    return tuple;
  }

  ExprPtr parse_list() {
    ExprPtr list = make(ExprKind::list, next().place);
    while (!is_symbol("]")) {
      if (!list->children.empty()) expect_symbol(",");
      if (is_symbol("]")) break;
      add_child(*list, parse_expression());
    }
    next();
    return list;
  }

  ExprPtr parse_dict() {
    ExprPtr dict = make(ExprKind::dict, next().place);
    while (!is_symbol("}")) {
      if (!dict->children.empty()) expect_symbol(",");
      if (is_symbol("}")) break;
      add_child(*dict, parse_expression());
      expect_symbol(":");
      add_child(*dict, parse_expression());
    }
    next();
    return dict;
  }

  ExprPtr parse_postfix(ExprPtr expr) {
    for (;;) {
      if (is_symbol("."))
        expr = parse_attribute(std::move(expr));
      else if (is_symbol("["))
        expr = parse_subscript(std::move(expr));
      else if (is_symbol("("))
        expr = parse_call(std::move(expr));
      else
        return expr;
    }
  }

  ExprPtr parse_filters_and_tests(ExprPtr expr) {
    for (;;) {
      if (is_symbol("|"))
        expr = parse_filter(std::move(expr));
      else if (is_name(current(), "is"))
        expr = parse_test(std::move(expr));
      else if (is_symbol("("))
        expr = parse_call(std::move(expr));
      else
        return expr;
    }
  }

  ExprPtr parse_attribute(ExprPtr object) {
    const Place place = next().place;
    if (current().kind == TokenKind::name)
      return make(ExprKind::attribute, place, next().text, std::move(object));
    if (current().kind != TokenKind::integer) unexpected("a name or a number");
    return make(ExprKind::item, place, "", std::move(object), parse_primary());
  }

  ExprPtr parse_subscript(ExprPtr object) {
    const Place place = next().place;
    if (is_symbol("]")) unexpected("a subscript");
    ExprPtr first = is_symbol(":") ? nullptr : parse_expression();
    if (is_symbol(":")) {
      ExprPtr bounds[3] = {std::move(first), nullptr, nullptr};
      for (int i = 1; i < 3 && skip_symbol(":"); ++i)
        if (!is_symbol("]") && !is_symbol(",") && !is_symbol(":")) bounds[i] = parse_expression();
      if (is_symbol(",")) fail_unsupported_at(current().place, "a subscript with several parts");
      expect_symbol("]");
      return make(ExprKind::slice, place, "", std::move(object), std::move(bounds[0]), std::move(bounds[1]),
                  std::move(bounds[2]));
    }
    if (is_symbol(",")) fail_unsupported_at(current().place, "a subscript with several parts");
    expect_symbol("]");
    return make(ExprKind::item, place, "", std::move(object), std::move(first));
  }

  ExprPtr parse_call(ExprPtr function) {
    const Place place = current().place;
    ExprPtr call = make(ExprKind::call, place, "", std::move(function));
    set_arguments(*call, parse_arguments());
    return call;
  }

  Arguments parse_arguments() {
    Arguments out;
    const Place place = current().place;
    expect_symbol("(");
    const auto ensure = [&](bool valid) {
      if (!valid) fail_syntax(place, "invalid order of arguments");
    };
    for (bool comma = false; !is_symbol(")"); comma = true) {
      if (comma) {
        expect_symbol(",");
        if (is_symbol(")")) break;
      }
      if (skip_symbol("*")) {
        ensure(!out.more_positional && !out.more_keywords);
        out.more_positional = parse_expression();
      } else if (skip_symbol("**")) {
        ensure(!out.more_keywords);
        out.more_keywords = parse_expression();
      } else if (current().kind == TokenKind::name && look().kind == TokenKind::symbol &&
                 look().text == "=") {
        ensure(!out.more_keywords);
        std::string name = next().text;
        next();
        for (const auto& [other, value] : out.keywords)
          if (other == name) fail_syntax(place, "keyword argument repeated: ", name);
        ExprPtr value = parse_expression();
        out.keywords.emplace_back(std::move(name), std::move(value));
      } else {
        ensure(!out.more_positional && !out.more_keywords && out.keywords.empty());
        out.positional.push_back(parse_expression());
      }
    }
    next();
    return out;
  }

  std::string dotted_name() {
    std::string name = expect_any_name();
    while (skip_symbol(".")) name += "." + expect_any_name();
    return name;
  }

  // Jinja refuses unknown names before rendering, except within conditions.
  void check_known(KnownName name, Place place, const char* what, const std::string& text) {
    if (!soft_ && !(name.known && name.supported)) unknown_.push_back({name, place, what, text});
  }

  [[noreturn]] static void fail_unsupported_at(Place place, std::string_view what) {
    fail(ErrorCode::unsupported, "chat template, line ", place.line, ", column ", place.column, ": ", what,
         " is not supported");
  }

  // The filter at the current name; in a filter block there is no expression before it.
  ExprPtr parse_filter_name(ExprPtr expr) {
    const Place place = current().place;
    std::string name = dotted_name();
    check_known(find_filter(name), place, "filter", name);
    ExprPtr filter = make(ExprKind::filter, place, std::move(name), std::move(expr));
    if (is_symbol("(")) set_arguments(*filter, parse_arguments());
    return filter;
  }

  ExprPtr parse_filter(ExprPtr expr) {
    while (skip_symbol("|")) expr = parse_filter_name(std::move(expr));
    return expr;
  }

  ExprPtr parse_test(ExprPtr expr) {
    const Place place = next().place;
    const bool negated = skip_name("not");
    std::string name = dotted_name();
    check_known(find_test(name), place, "test", name);
    ExprPtr test = make(ExprKind::test, place, std::move(name), std::move(expr));
    const TokenKind kind = current().kind;
    const bool is_value = kind == TokenKind::string || kind == TokenKind::integer ||
                          kind == TokenKind::real || is_symbol("[") || is_symbol("{") ||
                          (kind == TokenKind::name && current().text != "else" && current().text != "or" &&
                           current().text != "and");
    if (is_symbol("(")) {
      set_arguments(*test, parse_arguments());
    } else if (is_value) {
      if (is_name(current(), "is")) fail_syntax(current().place, "tests cannot be chained with \"is\"");
      Arguments arguments;
      arguments.positional.push_back(parse_postfix(parse_primary()));
      set_arguments(*test, std::move(arguments));
    }
    return negated ? make(ExprKind::logical_not, place, "", std::move(test)) : std::move(test);
  }

  // ---- statements

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

  // The names that make a macro take more arguments if its body reads them.
  void note_special(const std::string& name) {
    if (macro_ == nullptr) return;
    if (name == "caller") macro_->uses_caller = true;
    if (name == "varargs") macro_->uses_varargs = true;
    if (name == "kwargs") macro_->uses_kwargs = true;
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

  // A filter or test that cannot be used.
  struct Unknown {
    KnownName name;
    Place place;
    const char* what;
    std::string text;
  };

  std::vector<LexToken> tokens_;
  std::vector<Unknown> unknown_;  // outside of conditions
  std::size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;               // that a break would leave
  bool soft_ = false;           // within a condition
  MacroNode* macro_ = nullptr;  // the innermost
};

}  // namespace

Body parse_template(std::string_view source) {
  return Parser(tokenize(source)).parse();
}

}  // namespace qwen::templates
