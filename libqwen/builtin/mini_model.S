/* The bundled model's GGUF file as it is, aligned for reading in place. CMake defines QWEN_BUILTIN_FILE. */
        .section .rodata
        .balign 64
        .globl qwen_builtin_begin
        .hidden qwen_builtin_begin
        .type qwen_builtin_begin, %object
qwen_builtin_begin:
        .incbin QWEN_BUILTIN_FILE
        .globl qwen_builtin_end
        .hidden qwen_builtin_end
        .type qwen_builtin_end, %object
qwen_builtin_end:
        .byte 0
        .size qwen_builtin_begin, qwen_builtin_end - qwen_builtin_begin
        .size qwen_builtin_end, 1
/* Without this mark the linker would give every program an executable stack. */
        .section .note.GNU-stack, "", %progbits
