/* Moved to bounds.h (the name limits.h hides the system's header); include "bounds.h". */
#include "bounds.h"
#include_next <limits.h>
