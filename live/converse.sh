#!/usr/bin/env bash
# Converse.js in a headless Chromium judges the example server over WebSocket.
# What a person would have seen in the end: target/live/converse.png.
set -Eeuo pipefail
. "$(dirname "$0")/lib.sh"
need_converse
need_example server
judge_in_browser "$@"
summary
