#include "kernels/table.h"

namespace qwen::kernels {
const KernelTable* const kAvx512Table = nullptr;
}
