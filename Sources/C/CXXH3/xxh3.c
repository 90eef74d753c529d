#include "cxxh3.h"
