#include "kernels/table.h"

namespace qwen::kernels {
const KernelTable* const kAvxVnniTable = nullptr;
}
