/* SPDX-License-Identifier: MIT
 *
 * Reads a module's symbols with libelf. See module.h. */
#include "module.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <gnu/lib-names.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* ---- what may not be called ---- */

struct ban {
    const char *names; /* between spaces; one that ends with `*` is a beginning */
    const char *reason;
};

static const struct ban bans[] = {
    {" time clock clock_gettime clock_getres gettimeofday ftime timespec_get times"
     " getrusage ntp_gettime adjtime clock_settime settimeofday stime ",
     ": it asks the system for the time; use vts_now(job)"},
    {" rand srand rand_r random srandom random_r srandom_r initstate setstate drand48"
     " erand48 lrand48 nrand48 mrand48 jrand48 srand48 seed48 lcong48 drand48_r erand48_r"
     " lrand48_r nrand48_r mrand48_r jrand48_r getrandom getentropy arc4random"
     " arc4random_uniform arc4random_buf ",
     ": it draws chance that cannot be repeated; use vts_random(job)"},
    {" sleep usleep nanosleep clock_nanosleep pause alarm ualarm setitimer getitimer"
     " timer_* timerfd_* poll ppoll select pselect epoll_* sigwait sigwaitinfo"
     " sigtimedwait sigsuspend thrd_sleep ",
     ": it waits; use vts_wake_after(job, span)"},
    {" pthread_create thrd_create clone fork vfork _Fork daemon system popen posix_spawn"
     " posix_spawnp execl execlp execle execv execvp execvpe execve fexecve wait waitpid"
     " wait3 wait4 waitid ",
     ": it starts threads or processes; a plugin has hooks alone"},
    {" socket socketpair connect bind listen accept accept4 send sendto sendmsg sendmmsg"
     " recv recvfrom recvmsg recvmmsg shutdown getaddrinfo gethostbyname gethostbyname_r"
     " gethostbyaddr getnameinfo getpid getppid gettid pthread_self uname gethostname ",
     ": it depends on the machine or the network; a job depends on its record alone"},
    {" strtok localtime localtime_r gmtime ctime asctime ctime_r tmpnam setlocale"
     " localeconv setenv putenv unsetenv clearenv chdir fchdir umask hsearch hcreate"
     " hdestroy ttyname getlogin crypt ",
     ": it keeps or changes data of the whole process; hooks of other jobs run at the same time"},
    {" exit _exit _Exit quick_exit atexit on_exit kill raise tgkill signal sigaction"
     " sigprocmask pthread_sigmask sigaltstack longjmp siglongjmp ",
     ": it ends or changes the server's process"},
    {" syscall ioctl dlopen dlmopen dlsym dlvsym ptrace prctl mprotect io_* ",
     ": it goes past what can be checked"},
};

/* Whether it is one of these. */
static bool listed(const char *names, const char *name)
{
    size_t length = strlen(name), size;
    const char *at = names + 1;

    for (; *at; at += size + 1) {
        size = strcspn(at, " ");
        if (size > 0 && at[size - 1] == '*' ? strncmp(at, name, size - 1) == 0
                                            : size == length && memcmp(at, name, size) == 0)
            return true;
    }
    return false;
}

/* The name that the source has: __poll_chk and __clock_gettime64 are what headers make of poll and
 * clock_gettime. */
static const char *plain(const char *name, char *buffer, size_t size)
{
    static const char *const tails[] = {"_chk", "64"};
    size_t i, length, tail;

    if (strncmp(name, "__", 2) != 0)
        return name;
    snprintf(buffer, size, "%s", name + 2);
    for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        length = strlen(buffer);
        tail = strlen(tails[i]);
        if (length > tail && strcmp(buffer + length - tail, tails[i]) == 0)
            buffer[length - tail] = '\0';
    }
    return buffer;
}

/* Its group; as many as there are where it is in none. */
static size_t ban_of(const char *name)
{
    char buffer[128];
    size_t i;

    name = plain(name, buffer, sizeof(buffer));
    for (i = 0; i < sizeof(bans) / sizeof(bans[0]); i++)
        if (listed(bans[i].names, name))
            break;
    return i;
}

/* ---- what is nobody's doing ---- */

static bool begins(const char *name, const char *const *beginnings)
{
    for (; *beginnings; beginnings++)
        if (strncmp(name, *beginnings, strlen(*beginnings)) == 0)
            return true;
    return false;
}

/* What sanitizers, coverage and the toolchain put into a module. */
static bool is_toolchains(const char *name)
{
    /* __unnamed_1 is what clang makes of a table of its address sanitizer's. */
    static const char *const beginnings[] = {"__asan_",
                                             "__ubsan_",
                                             "__tsan_",
                                             "__lsan_",
                                             "__msan_",
                                             "__hwasan_",
                                             "__sanitizer_",
                                             "__sancov_",
                                             "__odr_asan",
                                             "_odr_asan_",
                                             "__gcov",
                                             "__llvm_",
                                             "__gmon_start__",
                                             "_ITM_",
                                             "__dso_handle",
                                             "_DYNAMIC",
                                             "__TMC_END__",
                                             "_GLOBAL_OFFSET_TABLE_",
                                             "__interceptor_",
                                             "__cyg_profile_",
                                             "__unnamed_",
                                             "DW.ref.",
                                             NULL};

    return begins(name, beginnings);
}

/* The toolchain's start-up object has a static of a name that a plugin's might have, too. */
static bool is_startups(const char *source, const char *name, const GElf_Sym *symbol)
{
    return strcmp(source, "crtstuff.c") == 0 && symbol->st_size == 1 &&
           strncmp(name, "completed", strlen("completed")) == 0;
}

/* Whether libc or libm has it; what they depend on is the dynamic linker. */
static bool in_libc(const char *name)
{
    static const char *const libraries[] = {LIBC_SO, LIBM_SO};
    bool found = false;
    void *library;
    size_t i;

    for (i = 0; i < sizeof(libraries) / sizeof(libraries[0]) && !found; i++) {
        library = dlopen(libraries[i], RTLD_LAZY | RTLD_LOCAL);
        if (!library)
            continue;
        found = dlsym(library, name) != NULL;
        dlclose(library);
    }
    return found;
}

/* ---- symbols ---- */

struct look {
    Elf *elf;
    bool local; /* there are symbols that only this file sees */
    bool serial;
    const char *source; /* whose local symbols are looked at */
    /* Names of each kind, with ", " between. */
    struct text banned[sizeof(bans) / sizeof(bans[0])], unknown, statics;
};

static void add_name(struct text *names, const char *name, int length)
{
    text_printf(names, "%s%.*s", names->length > 0 ? ", " : "", length, name);
}

static void look_at_undefined(struct look *look, const char *name, const GElf_Sym *symbol)
{
    size_t ban = ban_of(name);

    if (ban < sizeof(bans) / sizeof(bans[0]))
        add_name(&look->banned[ban], name, (int)strlen(name));
    else if (!is_toolchains(name) && !in_libc(name) && GELF_ST_BIND(symbol->st_info) != STB_WEAK)
        add_name(&look->unknown, name, (int)strlen(name));
}

/* Sections that are writable for the dynamic linker alone, or that sanitizers have made. */
static bool is_data(const struct look *look, const GElf_Sym *symbol)
{
    static const char *const others[] = {
        ".data.rel.ro", ".init_array", ".fini_array", ".preinit_array", ".ctors",
        ".dtors",       ".dynamic",    ".got",        ".tm_clone_",     "asan_",
        "__sancov",     "__llvm_",     NULL};
    Elf_Scn *section = elf_getscn(look->elf, symbol->st_shndx);
    const char *name;
    size_t names;
    GElf_Shdr head;

    if (symbol->st_shndx == SHN_COMMON)
        return true;
    if (symbol->st_shndx >= SHN_LORESERVE || !section || !gelf_getshdr(section, &head) ||
        !(head.sh_flags & SHF_WRITE) || elf_getshdrstrndx(look->elf, &names) != 0)
        return false;
    name = elf_strptr(look->elf, names, head.sh_name);
    return !name || !begins(name, others);
}

/* counter.0 and counter.lto_priv.0 are what compilers make of a static in a function. */
static int source_length(const char *name)
{
    size_t length = strlen(name), digits = length;

    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (digits > 1 && digits < length && name[digits - 1] == '.')
        length = digits - 1;
    return (int)length;
}

static void look_at_defined(struct look *look, const char *name, const GElf_Sym *symbol)
{
    int type = GELF_ST_TYPE(symbol->st_info);

    if (type == STT_FILE)
        look->source = name;
    if (symbol->st_size == 0 || is_toolchains(name) || type == STT_SECTION || type == STT_FILE ||
        is_startups(look->source, name, symbol))
        return;
    if (GELF_ST_BIND(symbol->st_info) == STB_LOCAL)
        look->local = true;
    if ((type == STT_OBJECT || type == STT_TLS || type == STT_COMMON) && is_data(look, symbol))
        add_name(&look->statics, name, source_length(name));
}

/* All symbols of one table. */
static void look_at_table(struct look *look, Elf_Scn *section, const GElf_Shdr *head)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = head->sh_entsize && data ? data->d_size / head->sh_entsize : 0, i;
    const char *name;
    GElf_Sym symbol;

    for (i = 1; i < count && gelf_getsym(data, (int)i, &symbol); i++) {
        name = elf_strptr(look->elf, head->sh_link, symbol.st_name);
        if (!name || (!*name && GELF_ST_TYPE(symbol.st_info) != STT_FILE))
            continue;
        if (head->sh_type == SHT_DYNSYM && symbol.st_shndx == SHN_UNDEF)
            look_at_undefined(look, name, &symbol);
        else if (head->sh_type == SHT_SYMTAB && symbol.st_shndx != SHN_UNDEF)
            look_at_defined(look, name, &symbol);
    }
}

static void look_at_all(struct look *look)
{
    Elf_Scn *section = NULL;
    GElf_Shdr head;

    while ((section = elf_nextscn(look->elf, section)))
        if (gelf_getshdr(section, &head) &&
            (head.sh_type == SHT_SYMTAB || head.sh_type == SHT_DYNSYM))
            look_at_table(look, section, &head);
}

/* One kind of finding: the names, and what is said of them. */
static void tell(struct text *out, const char *what, struct text *names, const char *of_them)
{
    if (names->length > 0)
        text_printf(out, "%s%s %s%s", out->length > 0 ? "; " : "", what, names->bytes, of_them);
    out->failed |= names->failed;
    text_finish(names);
}

static void tell_all(struct look *look, struct text *out)
{
    size_t i;

    /* VTS_PLUGIN makes one, at least. */
    if (!look->local)
        text_puts(out,
                  "it is stripped, so that its statics cannot be seen: vet it as it was linked, "
                  "and strip it afterwards");
    for (i = 0; i < sizeof(bans) / sizeof(bans[0]); i++)
        tell(out, "it calls", &look->banned[i], bans[i].reason);
    tell(out, "it uses", &look->unknown, ", which is neither in libc nor in libm");
    if (look->serial)
        text_finish(&look->statics);
    tell(out, "it has the writable static", &look->statics,
         ": make it const, keep it in a job's state, or say .serial");
}

void module_check(const char *path, bool serial, struct law_result *result)
{
    struct look look = {.serial = serial, .source = ""};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct text found = TEXT_INIT;

    elf_version(EV_CURRENT);
    look.elf = file >= 0 ? elf_begin(file, ELF_C_READ, NULL) : NULL;
    if (look.elf && elf_kind(look.elf) == ELF_K_ELF) {
        look_at_all(&look);
        tell_all(&look, &found);
    } else {
        text_printf(&found, "%s cannot be read as an ELF file", path);
    }
    if (look.elf)
        elf_end(look.elf);
    if (file >= 0)
        close(file);
    result->verdict = found.length > 0 || found.failed ? LAW_BROKEN : LAW_HOLDS;
    if (result->verdict == LAW_BROKEN)
        snprintf(result->message, sizeof(result->message), "%s",
                 found.failed ? "no memory to read the module" : found.bytes);
    text_finish(&found);
}

/* ---- once more ---- */

/* A copy in memory, which the dynamic linker takes for another file. -1: none. */
static int copy_of(const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("module", MFD_CLOEXEC);
    ssize_t sent = from >= 0 && to >= 0 ? 1 : -1;

    while (sent > 0)
        sent = sendfile(to, from, NULL, (size_t)1 << 30);
    if (from >= 0)
        close(from);
    if (sent < 0 && to >= 0) {
        close(to);
        to = -1;
    }
    return to;
}

const struct vts_plugin *module_again(const char *path, const char *name)
{
    char text[200];
    int copy = copy_of(path);
    void *module, *symbol = NULL;
    vts_plugin_fn *function;

    if (copy < 0)
        return NULL;
    snprintf(text, sizeof(text), "/proc/self/fd/%d", copy);
    module = dlopen(text, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    close(copy);
    snprintf(text, sizeof(text), "%s_LTX_vts_plugin", name);
    if (module) {
        symbol = dlsym(module, text);
        dlclose(module);
    }
    if (!symbol)
        return NULL;
    memcpy(&function, &symbol, sizeof(function));
    return function();
}
