/* Read before each file of a wheel that is built here (ci/build_wheel.sh). These functions got a
   newer version in glibc 2.27 or 2.29, which no longer sets errno; a program that takes the one
   there was before, with the same values, runs on every glibc since. */
#if defined(__x86_64__) && defined(__gnu_linux__)
__asm__(".symver exp,exp@GLIBC_2.2.5");
__asm__(".symver log,log@GLIBC_2.2.5");
#endif
