// Finds out how a table is written, from its first rows.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwen_run {

using Cells = std::vector<std::string>;

// The delimiter that splits the records of this sample into equally many columns: one of , ; tab |.
// None if there is one column only. `whole`: the sample is the whole file.
std::optional<char> find_delimiter(std::string_view sample, bool whole);

// Whether the first of these rows names the columns; no value if that cannot be told.
std::optional<bool> find_header(const std::vector<Cells>& rows);

// The index of the column with the texts: the one with a usual name (text, review, 评论 ...), else the one whose cells are
// by far the longest. No value if there is none, or more than one. `rows`: without the header.
std::optional<std::size_t> find_text_column(const Cells& columns, const std::vector<Cells>& rows);
// The index of the column with a usual name for labels (label, 标签 ...).
std::optional<std::size_t> find_label_column(const Cells& columns);

// "id, 评论, stars": for messages.
std::string list_columns(const Cells& columns);

}  // namespace qwen_run
