// Jinja's expressions: the part of the parser below the statements.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "templates/ast.h"

namespace qwen::templates {

// Reads tokens and expressions, a function for each rule of the grammar, in the order of Jinja's own precedence.
// StatementParser (parser.cpp) builds on it.
class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<LexToken> tokens) : tokens_(std::move(tokens)) {}

  const LexToken& current() const { return tokens_[at_]; }
  const LexToken& look() const;  // the token after current()
  LexToken next();
  static bool is_name(const LexToken& token, std::string_view name) {
    return token.kind == TokenKind::name && token.text == name;
  }
  bool is_symbol(std::string_view symbol) const {
    return current().kind == TokenKind::symbol && current().text == symbol;
  }
  bool skip_name(std::string_view name);
  bool skip_symbol(std::string_view symbol);
  [[noreturn]] void unexpected(std::string_view expected) const;
  void expect_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  std::string expect_any_name();

  // Guards the parser's own recursion.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  ExprPtr parse_expression();
  // One expression, or a tuple of several separated by commas.
  ExprPtr parse_tuple(bool with_condition, bool in_parentheses, std::string_view end_name);
  bool at_tuple_end(std::string_view end_name) const;
  // The filter at the current name; in a filter block there is no expression before it.
  ExprPtr parse_filter_name(ExprPtr expr);
  ExprPtr parse_filter(ExprPtr expr);

  // A filter or test that cannot be used.
  struct Unknown {
    KnownName name;
    Place place;
    const char* what;
    std::string text;
  };
  std::vector<Unknown> unknown_;  // outside of conditions
  bool soft_ = false;             // within a condition
  MacroNode* macro_ = nullptr;    // the innermost

 private:
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  std::string compare_operator();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr binary(ExprPtr left, ExprPtr (ExpressionParser::*parse_right)());
  ExprPtr parse_filtered_unary();
  ExprPtr parse_unary(bool with_filter);
  ExprPtr parse_primary();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr expr);
  ExprPtr parse_filters_and_tests(ExprPtr expr);
  ExprPtr parse_attribute(ExprPtr object);
  ExprPtr parse_subscript(ExprPtr object);
  ExprPtr parse_call(ExprPtr function);
  Arguments parse_arguments();
  std::string dotted_name();
  ExprPtr parse_test(ExprPtr expr);
  // Jinja refuses unknown names before rendering, except within conditions.
  void check_known(KnownName name, Place place, const char* what, const std::string& text);
  // The names that make a macro take more arguments if its body reads them.
  void note_special(const std::string& name);

  std::vector<LexToken> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace qwen::templates
