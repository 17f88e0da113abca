/* cores.c: counting cores, and keeping a thread to some of them. See cores.h. */
#include "cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The lowest of the logical CPUs that share a core with this one; itself where the system does not say. */
static int first_sibling(int cpu)
{
	char path[96], first[16] = "";
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	FILE *f = fopen(path, "re");
	if (f) {
		if (!fgets(first, sizeof first, f))
			first[0] = '\0';
		fclose(f);
	}
	return first[0] ? (int)strtol(first, NULL, 10) : cpu;
}

/* The logical CPUs that the process may use, numbered by core from 0 (-1: not allowed); returns how many cores, 0 where nothing is known.
 * Of the process: whatever the calling thread keeps to. */
static int number_cores(int core[CPU_SETSIZE])
{
	int number[CPU_SETSIZE], n = 0; /* by first sibling, which need not be allowed itself */
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(getpid(), sizeof set, &set) != 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		number[cpu] = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		core[cpu] = -1;
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		int first = first_sibling(cpu);
		first = first >= 0 && first <= cpu ? first : cpu;
		if (number[first] < 0)
			number[first] = n++;
		core[cpu] = number[first];
	}
	return n;
}

int loom_cpu_cores(void)
{
	int core[CPU_SETSIZE], n = number_cores(core);
	if (n == 0)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
	if (f) {
		char line[64];
		if (fgets(line, sizeof line, f)) {
			char *end;
			long quota = strtol(line, &end, 10), period = end != line ? strtol(end, NULL, 10) : 0;
			if (quota > 0 && period > 0 && (quota + period - 1) / period < n)
				n = (int)((quota + period - 1) / period);
		}
		fclose(f);
	}
	return n > 0 ? n : 1;
}

void loom_thread_keep_to(int index, int n)
{
	int core[CPU_SETSIZE], n_core = number_cores(core);
	cpu_set_t share;
	if (n <= 1 || n_core < n)
		return;
	CPU_ZERO(&share);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (core[cpu] >= 0 && core[cpu] * n / n_core == index)
			CPU_SET((size_t)cpu, &share);
	(void)sched_setaffinity(0, sizeof share, &share); /* if refused, the kernel places the thread */
}
