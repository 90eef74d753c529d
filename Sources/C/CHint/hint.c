#include "chint.h"
