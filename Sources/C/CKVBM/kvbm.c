#include "kvbm.h"
