// RK_API marks what libringkernel exports; everything else is hidden.
#pragma once

#define RK_API __attribute__((visibility("default")))
