#include "kernels/table.h"

namespace qwen::kernels {
const KernelTable* const kAvx2Table = nullptr;
}
