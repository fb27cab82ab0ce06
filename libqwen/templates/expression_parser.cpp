#include "templates/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace qwen::templates {
namespace {

// Bounds the recursion of the parser, of the evaluator and of the tree's destructor.
constexpr int kMaxTreeDepth = 200;

constexpr std::string_view kCompareSymbols[] = {"==", "!=", ">", ">=", "<", "<="};

void note_depth(Expr& parent, const ExprPtr& child) {
  if (!child) return;
  parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxTreeDepth)
    fail_syntax(parent.place, "an expression nested deeper than ", kMaxTreeDepth, " levels");
}

void add_child(Expr& parent, ExprPtr child) {
  note_depth(parent, child);
  parent.children.push_back(std::move(child));
}

template <class... Children>
ExprPtr make(ExprKind kind, Place place, std::string text = {}, Children... children) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->place = place;
  expr->text = std::move(text);
  (add_child(*expr, std::move(children)), ...);
  return expr;
}

ExprPtr constant(Place place, Value value) {
  ExprPtr expr = make(ExprKind::constant, place);
  expr->value = std::move(value);
  return expr;
}

void set_arguments(Expr& expr, Arguments arguments) {
  for (const ExprPtr& argument : arguments.positional) note_depth(expr, argument);
  for (const auto& [name, argument] : arguments.keywords) note_depth(expr, argument);
  note_depth(expr, arguments.more_positional);
  note_depth(expr, arguments.more_keywords);
  expr.arguments = std::move(arguments);
}

}  // namespace

// ---- tokens

const LexToken& ExpressionParser::look() const {
  return tokens_[std::min(at_ + 1, tokens_.size() - 1)];
}

LexToken ExpressionParser::next() {
  LexToken token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::skip_name(std::string_view name) {
  const bool found = is_name(current(), name);
  if (found) next();
  return found;
}

bool ExpressionParser::skip_symbol(std::string_view symbol) {
  const bool found = is_symbol(symbol);
  if (found) next();
  return found;
}

void ExpressionParser::unexpected(std::string_view expected) const {
  fail_syntax(current().place, "expected ", expected, ", found ", describe(current()));
}

void ExpressionParser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) unexpected(quoted(symbol));
}

void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) unexpected(quoted(name));
}

std::string ExpressionParser::expect_any_name() {
  if (current().kind != TokenKind::name) unexpected("a name");
  return next().text;
}

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxTreeDepth)
    fail_syntax(parser_.current().place, "nested deeper than ", kMaxTreeDepth, " levels");
}

// ---- expressions

ExprPtr ExpressionParser::parse_expression() {
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

ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (is_name(current(), "or")) {
    const Place place = next().place;
    ExprPtr right = parse_and();
    left = make(ExprKind::logical_or, place, "", std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (is_name(current(), "and")) {
    const Place place = next().place;
    ExprPtr right = parse_not();
    left = make(ExprKind::logical_and, place, "", std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  if (!is_name(current(), "not")) return parse_compare();
  const Nesting nesting(*this);
  const Place place = next().place;
  return make(ExprKind::logical_not, place, "", parse_not());
}

std::string ExpressionParser::compare_operator() {
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

ExprPtr ExpressionParser::parse_compare() {
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

ExprPtr ExpressionParser::parse_sum() {
  ExprPtr left = parse_concat();
  while (is_symbol("+") || is_symbol("-")) left = binary(std::move(left), &ExpressionParser::parse_concat);
  return left;
}

ExprPtr ExpressionParser::parse_concat() {
  const Place place = current().place;
  ExprPtr first = parse_product();
  if (!is_symbol("~")) return first;
  ExprPtr expr = make(ExprKind::concat, place, "", std::move(first));
  while (skip_symbol("~")) add_child(*expr, parse_product());
  return expr;
}

ExprPtr ExpressionParser::parse_product() {
  ExprPtr left = parse_power();
  while (is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%"))
    left = binary(std::move(left), &ExpressionParser::parse_power);
  return left;
}

ExprPtr ExpressionParser::parse_power() {
  ExprPtr left = parse_unary(true);
  while (is_symbol("**")) left = binary(std::move(left), &ExpressionParser::parse_filtered_unary);
  return left;
}

ExprPtr ExpressionParser::binary(ExprPtr left, ExprPtr (ExpressionParser::*parse_right)()) {
  const LexToken op = next();
  ExprPtr right = (this->*parse_right)();
  return make(ExprKind::binary, op.place, op.text, std::move(left), std::move(right));
}

ExprPtr ExpressionParser::parse_filtered_unary() {
  return parse_unary(true);
}

ExprPtr ExpressionParser::parse_unary(bool with_filter) {
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

ExprPtr ExpressionParser::parse_primary() {
  const LexToken token = current();
  switch (token.kind) {
    case TokenKind::name:
      next();
      if (token.text == "true" || token.text == "True") return constant(token.place, Value::boolean(true));
      if (token.text == "false" || token.text == "False") return constant(token.place, Value::boolean(false));
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

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  const TokenKind kind = current().kind;
  return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_symbol(")") ||
         (!end_name.empty() && is_name(current(), end_name));
}

ExprPtr ExpressionParser::parse_tuple(bool with_condition, bool in_parentheses, std::string_view end_name) {
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

ExprPtr ExpressionParser::parse_list() {
  ExprPtr list = make(ExprKind::list, next().place);
  while (!is_symbol("]")) {
    if (!list->children.empty()) expect_symbol(",");
    if (is_symbol("]")) break;
    add_child(*list, parse_expression());
  }
  next();
  return list;
}

ExprPtr ExpressionParser::parse_dict() {
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

ExprPtr ExpressionParser::parse_postfix(ExprPtr expr) {
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

ExprPtr ExpressionParser::parse_filters_and_tests(ExprPtr expr) {
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

ExprPtr ExpressionParser::parse_attribute(ExprPtr object) {
  const Place place = next().place;
  if (current().kind == TokenKind::name)
    return make(ExprKind::attribute, place, next().text, std::move(object));
  if (current().kind != TokenKind::integer) unexpected("a name or a number");
  return make(ExprKind::item, place, "", std::move(object), parse_primary());
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr object) {
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

ExprPtr ExpressionParser::parse_call(ExprPtr function) {
  const Place place = current().place;
  ExprPtr call = make(ExprKind::call, place, "", std::move(function));
  set_arguments(*call, parse_arguments());
  return call;
}

Arguments ExpressionParser::parse_arguments() {
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
    } else if (current().kind == TokenKind::name && look().kind == TokenKind::symbol && look().text == "=") {
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

std::string ExpressionParser::dotted_name() {
  std::string name = expect_any_name();
  while (skip_symbol(".")) name += "." + expect_any_name();
  return name;
}

void ExpressionParser::check_known(KnownName name, Place place, const char* what, const std::string& text) {
  if (!soft_ && !(name.known && name.supported)) unknown_.push_back({name, place, what, text});
}

ExprPtr ExpressionParser::parse_filter_name(ExprPtr expr) {
  const Place place = current().place;
  std::string name = dotted_name();
  check_known(find_filter(name), place, "filter", name);
  ExprPtr filter = make(ExprKind::filter, place, std::move(name), std::move(expr));
  if (is_symbol("(")) set_arguments(*filter, parse_arguments());
  return filter;
}

ExprPtr ExpressionParser::parse_filter(ExprPtr expr) {
  while (skip_symbol("|")) expr = parse_filter_name(std::move(expr));
  return expr;
}

ExprPtr ExpressionParser::parse_test(ExprPtr expr) {
  const Place place = next().place;
  const bool negated = skip_name("not");
  std::string name = dotted_name();
  check_known(find_test(name), place, "test", name);
  ExprPtr test = make(ExprKind::test, place, std::move(name), std::move(expr));
  const TokenKind kind = current().kind;
  const bool is_value = kind == TokenKind::string || kind == TokenKind::integer || kind == TokenKind::real ||
                        is_symbol("[") || is_symbol("{") ||
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

void ExpressionParser::note_special(const std::string& name) {
  if (macro_ == nullptr) return;
  if (name == "caller") macro_->uses_caller = true;
  if (name == "varargs") macro_->uses_varargs = true;
  if (name == "kwargs") macro_->uses_kwargs = true;
}

}  // namespace qwen::templates
