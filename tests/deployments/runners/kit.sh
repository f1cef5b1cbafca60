# The kit of the runners' tests: its option "mode" says what it does.
echo "a line of output"
echo "a line of errors" >&2
mode=${DATAKIT_CONFIGURATION#*\"mode\": \"}
mode=${mode%%\"*}
case "$mode" in
    environment) env ;;
    report) printf '%s' '{"outputs": {"gold.customer_360": {"rows": 7, "checksum": "abc"}}}' >"$DATAKIT_RESULT_FILE" ;;
    report-nonsense) echo '{"outputs": {"customer_360": {"rows": "many"}}}' >"$DATAKIT_RESULT_FILE" ;;
    report-too-much) head -c 5000 /dev/zero | tr '\0' 'x' >"$DATAKIT_RESULT_FILE" ;;
    result-link) ln -sf /bin/busybox "$DATAKIT_RESULT_FILE" ;;
    result-folder) rm "$DATAKIT_RESULT_FILE"; mkdir "$DATAKIT_RESULT_FILE" ;;
    result-gone) rm "$DATAKIT_RESULT_FILE" ;;
    complain) echo '{"error": "No customers came."}' >"$DATAKIT_RESULT_FILE"; exit 1 ;;
    exit-*) exit "${mode#exit-}" ;;
    secret) echo "the token is $DATAKIT_CONFIGURATION" ;;
    # A follower of Kubernetes' logs gets a line only when the next one has been printed.
    sleep) trap 'echo "asked to end"; kill $!; exit 0' TERM; sleep 600 & printf 'is ready\n-\n'; wait $! ;;
    slow-to-end) trap 'sleep 2; exit 0' TERM; sleep 600 & wait $! ;;
    stubborn) trap '' TERM; printf 'is ready\n-\n'; while :; do sleep 1; done ;;
    network) cat /proc/net/dev ;;
    resources)
        cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us \
            /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null ||
            cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
        ;;
esac
