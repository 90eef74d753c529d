#include "kvbm_slot.h"
