#include "fake.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

size_t image_size(const void *image)
{
    const unsigned char *bytes = image;
    const Elf64_Ehdr *header = image;
    const Elf64_Shdr *sections = (const void *)(bytes + header->e_shoff);
    size_t size = header->e_shoff + header->e_shnum * sizeof *sections;
    for (int i = 0; i < header->e_shnum; i++) {
        size_t end = sections[i].sh_offset + sections[i].sh_size;
        if (sections[i].sh_type != SHT_NOBITS && end > size)
            size = end;
    }
    return size;
}

/* Walk the records of the section .nv.info.<name>. */
int find_kernel(const void *image, const char *name, struct kernel *found)
{
    const unsigned char *bytes = image;
    const Elf64_Ehdr *header = image;
    const Elf64_Shdr *sections = (const void *)(bytes + header->e_shoff);
    const char *names = (const char *)bytes + sections[header->e_shstrndx].sh_offset;
    char wanted[300];
    snprintf(wanted, sizeof wanted, ".nv.info.%s", name);
    for (int i = 0; i < header->e_shnum; i++) {
        if (strcmp(names + sections[i].sh_name, wanted))
            continue;
        memset(found, 0, sizeof *found);
        snprintf(found->name, sizeof found->name, "%s", name);
        const unsigned char *at = bytes + sections[i].sh_offset, *end = at + sections[i].sh_size;
        while (at < end) {
            unsigned short value;
            memcpy(&value, at + 2, 2);
            const unsigned char *payload = at + 4;
            if (at[0] == 4 && at[1] == 0x17) {
                unsigned short ordinal;
                unsigned word;
                memcpy(&ordinal, payload + 4, 2);
                memcpy(&found->offset[ordinal], payload + 6, 2);
                memcpy(&word, payload + 8, 4);
                found->size[ordinal] = word >> 18;
                found->count++;
            } else if (at[0] == 4 && at[1] == 0x10) {
                unsigned threads[3];
                memcpy(threads, payload, 12);
                found->threads = threads[0] * threads[1] * threads[2];
            } else if (at[1] == 0x19) {
                found->total = value;
            }
            at += at[0] == 4 ? 4 + value : 4;
        }
        return 1;
    }
    return 0;
}
