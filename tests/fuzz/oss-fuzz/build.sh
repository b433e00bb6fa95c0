#!/bin/bash -eu
# Builds all fuzz targets, in the form that OSS-Fuzz asks for: from the root of the sources, with CC, CFLAGS and
# LIB_FUZZING_ENGINE, to OUT. ./run fuzz uses it; in OSS-Fuzz itself it has not been tried yet.
#
# Each target NAME has NAME_fuzz.c, corpus/NAME (its seeds) and NAME.dict in tests/fuzz.

flags="-std=gnu11 -D_FILE_OFFSET_BITS=64 -DHAVE_OPENSSL -fvisibility=hidden -Iinclude -Isrc"
# where targets run there is no OpenSSL
libraries="-Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -lpthread -ldl -lm"
objects=${WORK:-$OUT}/objects
mkdir -p "$objects"
rm -f "$objects"/*.o "$objects/libprong.a"

for source in $(find src -name '*.c' ! -path 'src/cli/*'); do
    echo "$CC ${CFLAGS-} $flags -c $source -o $objects/$(echo "$source" | tr / _).o"
done | xargs -P "$(nproc)" -I COMMAND sh -c COMMAND
ar rcs "$objects/libprong.a" "$objects"/*.o

for target in ${TARGETS:-$(ls tests/fuzz/*_fuzz.c | sed 's|.*/\(.*\)_fuzz.c|\1|')}; do
    wrap=
    [ "$target" != address ] || wrap=-Wl,--wrap=getaddrinfo
    $CC ${CFLAGS-} $flags "tests/fuzz/${target}_fuzz.c" "$objects/libprong.a" $wrap $LIB_FUZZING_ENGINE $libraries -o "$OUT/${target}_fuzz"
    cp "tests/fuzz/$target.dict" "$OUT/${target}_fuzz.dict"
    if command -v zip >/dev/null 2>&1; then
        rm -f "$OUT/${target}_fuzz_seed_corpus.zip"
        zip -q -j -r "$OUT/${target}_fuzz_seed_corpus.zip" "tests/fuzz/corpus/$target"
    fi
done
