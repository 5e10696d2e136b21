#include "include/CProcess.h"

#include <errno.h>
#include <link.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(PROCESS_CAP_DAC_OVERRIDE == CAP_DAC_OVERRIDE, "");
_Static_assert(PROCESS_CAP_IPC_LOCK == CAP_IPC_LOCK, "");
_Static_assert(PROCESS_CAP_SYS_NICE == CAP_SYS_NICE, "");

static int control(int option, unsigned long a, unsigned long b) {
  return prctl(option, a, b, 0UL, 0UL) < 0 ? errno : 0;
}

int process_name_thread(const char *name) { return control(PR_SET_NAME, (unsigned long)name, 0); }

int process_no_new_privileges(void) { return control(PR_SET_NO_NEW_PRIVS, 1, 0); }

int process_no_dumps(void) { return control(PR_SET_DUMPABLE, 0, 0); }

int process_keep_capabilities(uint64_t kept) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
  if (syscall(SYS_capget, &header, sets) != 0) return errno;
  if (sets[CAP_TO_INDEX(CAP_SETPCAP)].effective & CAP_TO_MASK(CAP_SETPCAP)) {
    // EINVAL: the kernel has no capability of that number, nor higher ones.
    for (int capability = 0; capability < 64; capability++) {
      if (kept & (UINT64_C(1) << capability)) continue;
      int error = control(PR_CAPBSET_DROP, (unsigned long)capability, 0);
      if (error == EINVAL) break;
      if (error != 0) return error;
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
  int has_more = 0;
  for (int index = 0; index < _LINUX_CAPABILITY_U32S_3; index++) {
    uint32_t mask = (uint32_t)(kept >> (32 * index));
    has_more |= ((sets[index].effective | sets[index].permitted | sets[index].inheritable) & ~mask) != 0;
    sets[index].effective &= mask;
    sets[index].permitted &= mask;
    sets[index].inheritable &= mask;
  }
  // A filter of system calls may forbid what there is no need for.
  if (!has_more) return 0;
  return syscall(SYS_capset, &header, sets) != 0 ? errno : 0;
}

int process_die_with_parent(pid_t parent) {
  int error = control(PR_SET_PDEATHSIG, SIGKILL, 0);
  return error != 0 ? error : getppid() == parent ? 0 : ESRCH;
}

static int limit(int resource, uint64_t value) {
  struct rlimit limit = {(rlim_t)value, (rlim_t)value};
  struct rlimit before;
  if (getrlimit(resource, &before) != 0) return errno;
  if (before.rlim_max < limit.rlim_max) limit.rlim_cur = limit.rlim_max = before.rlim_max;
  return setrlimit(resource, &limit) != 0 ? errno : 0;
}

int process_limits(uint64_t cpu, uint64_t memory, uint64_t file, uint64_t descriptors) {
  int error = limit(RLIMIT_CPU, cpu);
  if (error == 0) error = limit(RLIMIT_AS, memory);
  if (error == 0) error = limit(RLIMIT_FSIZE, file);
  if (error == 0) error = limit(RLIMIT_NOFILE, descriptors);
  return error != 0 ? error : limit(RLIMIT_CORE, 0);
}

static int release_object(struct dl_phdr_info *object, size_t size, void *released) {
  (void)size;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
    // What the loader may have written to, relocations among it, is only there and would be lost.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & ~(page - 1);
    if (madvise((void *)start, end - start, MADV_DONTNEED) == 0) *(size_t *)released += end - start;
  }
  return 0;
}

size_t process_release_code(void) {
  size_t released = 0;
  dl_iterate_phdr(release_object, &released);
  return released;
}
