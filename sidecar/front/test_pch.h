#pragma once
// What nearly every test here includes.
#include "cmake/test_pch.h"
#include "common/http/pch.h"
#include "sidecar/front/pch.h"
