#!/usr/bin/env bash
# Converse.js in a headless Chromium judges the example server over WebSocket, and the
# example `rooms`, with push, as a component of Debian's Prosody. What a person would
# have seen: target/live/converse.png and converse_push.png.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/peers.sh"
need_converse
need_example server
need_example rooms
judge_in_browser "$@"
judge_push_in_browser "$@"
summary
