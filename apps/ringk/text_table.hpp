#pragma once

#include <string>
#include <vector>

namespace ringk {

// Rows of cells as lines, the columns aligned, two spaces between them; none at the ends of lines.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace ringk
