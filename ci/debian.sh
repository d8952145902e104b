# Sourced by scripts that need an interpreter which this machine lacks:
#   debian FOLDER SUITE ARCHITECTURE PACKAGES...
# unpacks packages of Debian, and what they depend on, into FOLDER, by an apt whose state is beside
# it (FOLDER.apt); the system stays as it is.
debian() {
    local root=$1 suite=$2 architecture=$3 apt=$1.apt package
    shift 3
    rm -rf "$root" "$apt"
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,parts} "$root"
    sed -e "s/^Suites:.*/Suites: $suite/" -e '/^$/,$d' \
        /etc/apt/sources.list.d/debian.sources >"$apt/parts/debian.sources"
    touch "$apt/state/status" "$apt/none.list"
    cat >"$apt/conf" <<CONF
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
Dir::Etc::SourceParts "$apt/parts";
Dir::Etc::SourceList "$apt/none.list";
CONF
    APT_CONFIG=$apt/conf apt-get update -qq
    APT_CONFIG=$apt/conf apt-get install -qq --yes --no-install-recommends --download-only "$@"
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
}
