/* cores.h: how many cores there are for this process, and which of them a thread keeps to. */
#ifndef LOOM_CORES_H
#define LOOM_CORES_H

/* Physical cores this process may run on (affinity and cgroup quota counted), at least 1. */
int loom_cpu_cores(void);

/* The calling thread may from now on run only on the index-th of n equal shares of the logical CPUs that the process's first thread may
 * use, siblings of a core in one share. Threads that work side by side and wake each other within microseconds are else put on the same
 * CPU by the kernel, and stay there for as long as both sleep in between. Does nothing where n is 1, or there are not n whole cores.
 * Threads started by the calling one inherit this. */
void loom_thread_keep_to(int index, int n);

#endif
