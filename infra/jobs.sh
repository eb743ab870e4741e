# shellcheck shell=bash
# How a run is started from its CronJob in the cluster, and followed to its end. Sourced, never run.

job_seconds=3600 # longer than any job may take by its own deadline
job_pause=5

# What became of the job $1: "complete", "failed", or "late".
job_end() {
  local waited=0 conditions
  while [ "$waited" -lt "$job_seconds" ]; do
    conditions=$(kubectl --namespace chargeback get job "$1" \
      --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') || return 1
    case " $conditions " in
      *" Complete "*) printf complete && return ;;
      *" Failed "*) printf failed && return ;;
    esac
    sleep "$job_pause"
    waited=$((waited + job_pause))
  done
  printf late
}

# Starts the CronJob chargeback-$1 once, shows its log; whether it completed.
run_once() {
  local job end
  job=chargeback-$1-$(date -u +%Y%m%d-%H%M%S)-$RANDOM
  run kubectl --namespace chargeback create job "$job" --from "cronjob/chargeback-$1" || return 1
  if $dry_run; then return 0; fi
  end=$(job_end "$job") || return 1
  kubectl --namespace chargeback logs "job/$job" --all-containers || true
  printf 'job/%s: %s\n' "$job" "$end"
  [ "$end" = complete ]
}
