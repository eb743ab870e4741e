#!/usr/bin/env bash
# Takes away what deploy.sh made for a cluster, and with the last cluster what they shared. The data stays unless told.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=infra/steps.sh
. "$here/steps.sh"
# shellcheck source=infra/standing.sh
. "$here/standing.sh"
# shellcheck source=infra/versions.sh
. "$here/versions.sh"

region='' cluster='' account='' context='' deletes_data=false

usage() {
  cat <<'TEXT'
Usage: infra/destroy.sh --cluster NAME [option …]

  --cluster NAME      the EKS cluster, which may be gone already
  --region REGION     its region; the AWS CLI's unless given
  --account ID        stop unless the AWS CLI speaks for this account
  --context NAME      reach the cluster by this context of kubectl's configuration
  --delete-data       delete the data, too, all versions: the lake, Athena's results and the cost report of our own;
                      as long as other clusters share the lake, only what this cluster collected
  --dry-run           print every command, change nothing
  --yes               ask nothing
  --help              show this

Exit codes: 0 done; 1 a step failed, or the answer was no; 2 something is missing or wrong, and nothing was changed.
TEXT
}

read_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --delete-data) deletes_data=true ;;
      --dry-run) dry_run=true ;;
      --yes) yes=true ;;
      --cluster | --region | --account | --context)
        if [ $# -eq 1 ] || [ -z "$2" ] || is_like "$2" '--.*'; then
          lacks "$1: a value after it."
        else
          printf -v "${1#--}" '%s' "$2"
          shift
        fi
        ;;
      *) lacks "an option that exists: \"$1\" is none; see --help." ;;
    esac
    shift
  done
}

# Sets in_cluster to what there is in Kubernetes: "chargeback" the namespace, "kubecost" what deploy.sh installed.
look_into_cluster() {
  in_cluster='' kubecost_was_made=''
  if ! find_cluster; then
    lacks 'the right to see the cluster (eks:DescribeCluster).'
  elif [ -n "$cluster_status" ] && ! has kubectl; then
    lacks 'kubectl: install it, and have it on the PATH.'
  elif [ -n "$cluster_status" ]; then
    if ! point_at_cluster || ! in_cluster=$(kubectl get namespace chargeback --ignore-not-found --output name \
      2>"$scratch/error") || ! kubecost_was_made=$(kubecost_installed 2>"$scratch/error"); then
      lacks "a way into the cluster: $(tail -n 1 "$scratch/error")"
    fi
    if [ -n "$kubecost_was_made" ] && ! has helm; then
      lacks 'helm, to uninstall Kubecost: install it, and have it on the PATH.'
    fi
  fi
}

# Other clusters whose stacks stand in the region, one name after the other.
other_clusters() {
  local name found others=''
  found=$(aws cloudformation describe-stacks --region "$region" --output text --query "\
Stacks[?starts_with(StackName, 'chargeback-')].Parameters[] | [?ParameterKey=='ClusterName'].ParameterValue") ||
    return 1
  for name in $found; do
    case " $cluster $others " in
      *" $name "*) ;;
      *) others="$others $name" ;;
    esac
  done
  printf '%s' "${others# }"
}

# Other regions with a lake of this account, which read the same cost report.
other_regions() {
  local name names found others=''
  names=$(aws ec2 describe-regions --region "$region" --query 'Regions[].RegionName' --output text) || return 1
  for name in $names; do
    [ "$name" != "$region" ] || continue
    found=$(stack_status "$name" "$lake_stack") || return 1
    if [ -n "$found" ]; then others="$others $name"; fi
  done
  printf '%s' "${others# }"
}

# A status that cannot be read ends the run: what is not seen must not be taken for gone.
look_at_stacks() {
  local stack status
  others=$(other_clusters)
  regions='' stacks='' report_stands=false
  for stack in "$(kubecost_stack "$cluster")" "$(cluster_stack "$cluster")" "$lake_stack"; do
    if [ "$stack" = "$lake_stack" ] && [ -n "$others" ]; then continue; fi
    check_stack "$region" "$stack"
    status=$(stack_status "$region" "$stack")
    [ -z "$status" ] || stacks="$stacks $stack"
  done
  [ -z "$others" ] || return 0
  status=$(stack_status "$report_region" "$report_stack")
  if [ -n "$status" ] || $deletes_data; then regions=$(other_regions); fi
  if [ -n "$status" ] && [ -z "$regions" ]; then
    check_stack "$report_region" "$report_stack"
    report_stands=true
  fi
}

# The buckets of a lake that nobody shares any more; stacks that are gone have left theirs.
look_for_buckets() {
  buckets=''
  [ -z "$others" ] || return 0
  buckets=$(buckets_in "$region" "$lake_stack-lakebucket-" && buckets_in "$region" "$lake_stack-resultsbucket-")
  if [ -z "$regions" ]; then
    buckets=$(printf '%s\n' "$buckets" && buckets_in "$report_region" "$report_stack-billbucket-")
  fi
}

check_everything() {
  has aws || lacks 'aws: install the AWS CLI, and have it on the PATH.'
  check_cluster_name
  check_region
  check_identity
  if [ -n "$caller" ] && [ -n "$cluster" ] && [ -n "$region" ]; then
    look_into_cluster
    look_at_stacks
    look_for_buckets
  fi
  refuse_if_lacking
}

# Whether anything of it is there.
anything_goes() {
  [ -n "$in_cluster$kubecost_was_made$stacks" ] || $report_stands || { $deletes_data && [ -n "$buckets$others" ]; }
}

show_what_goes() {
  printf 'Account %s, region %s, cluster %s, as %s.\n\nThis goes:\n' "$account" "$region" "$cluster" "$caller"
  [ -z "$in_cluster" ] || printf '  the namespace chargeback, with its CronJobs and jobs\n'
  case $kubecost_was_made in
    namespace) printf '  Kubecost, as deploy.sh installed it, and the namespace kubecost, with its volumes\n' ;;
    release) printf '  Kubecost, as deploy.sh installed it\n' ;;
  esac
  # shellcheck disable=SC2086  # names without blanks
  [ -z "$stacks" ] || printf '  the stack %s\n' $stacks
  if $report_stands; then printf '  the stack %s in %s: the export of the bill\n' "$report_stack" "$report_region"; fi
  [ -n "$others" ] || printf '  the definition of %s in Glue, if it is there\n' "$own_bill"
}

show_what_goes_of_data() {
  local bucket
  if ! $deletes_data; then return 0; fi
  for bucket in $buckets; do
    printf '  the bucket %s, with EVERYTHING in it, all versions\n' "$bucket"
  done
  [ -z "$others" ] || printf '  in the lake: what was collected from %s, all versions\n' "$cluster"
}

# What a person has to know of that is still there.
show_what_stays() {
  local bucket
  printf '\nThis stays:\n'
  if ! $deletes_data; then
    for bucket in $buckets; do
      printf '  the bucket %s, and what is in it; AWS charges for that (--delete-data deletes it)\n' "$bucket"
    done
    [ -z "$others" ] || printf '  in the lake: what was collected from %s (--delete-data deletes it)\n' "$cluster"
  fi
  [ -z "$others" ] ||
    printf '  the stack %s, the cost report and the lake: the clusters %s use them\n' "$lake_stack" "$others"
  [ -z "$regions" ] || printf '  the stack %s: the regions %s use it\n' "$report_stack" "$regions"
  [ -n "$kubecost_was_made" ] || printf '  Kubecost, if there is one: deploy.sh did not install it\n'
  printf '  the OIDC provider or Pod Identity agent of the cluster: others may use it\n'
  printf '  metrics in CloudWatch, until they expire; the directory with the manifests; the cluster itself\n'
}

take_out_of_cluster() {
  if [ -n "$in_cluster" ]; then
    step 'CronJobs'
    run kubectl delete namespace chargeback --ignore-not-found --wait
  fi
  [ -n "$kubecost_was_made" ] || return 0
  step 'Kubecost'
  if helm status kubecost --namespace kubecost >/dev/null 2>&1; then
    run helm uninstall kubecost --namespace kubecost --wait
  fi
  if [ "$kubecost_was_made" = namespace ]; then
    run kubectl delete namespace kubecost --ignore-not-found --wait
  else
    run kubectl label namespace kubecost "$kubecost_mark-"
  fi
}

delete_stack() {
  step "Stack $2"
  run aws cloudformation delete-stack --region "$1" --stack-name "$2"
  if ! run aws cloudformation wait stack-delete-complete --region "$1" --stack-name "$2"; then
    tell_failures "$1" "$2"
    return 1
  fi
}

# The database of the bill's table is publish's, not a stack's; the bill's files are not touched by it.
forget_bill() {
  [ -z "$others" ] || return 0
  step "Definition of $own_bill"
  if [ -n "$(unless_absent EntityNotFoundException aws glue get-database --region "$region" --name "${own_bill%.*}" \
    --query Database.Name --output text)" ]; then
    run aws glue delete-database --region "$region" --name "${own_bill%.*}"
  fi
}

delete_data() {
  local bucket
  $deletes_data || return 0
  step 'Data'
  for bucket in $buckets; do
    delete_bucket "$bucket"
  done
  if [ -n "$others" ]; then
    bucket=$(needed_output "$region" "$lake_stack" LakeBucket)
    delete_versions "$bucket" '' "/${account}_${region}_${cluster}.parquet"
    printf 'The ledger forgets the cluster when the next refresh of another one has computed its days again.\n'
  fi
}

main() {
  local stack
  read_arguments "$@"
  check_everything
  if ! anything_goes; then
    printf 'Nothing of it is there for the cluster %s in %s of account %s.\n' "$cluster" "$region" "$account"
    show_what_stays
    return
  fi
  show_what_goes
  show_what_goes_of_data
  show_what_stays
  confirm 'Take it away?'
  if $deletes_data; then confirm 'And delete the data, which nobody can bring back?'; fi
  changing=true
  take_out_of_cluster
  for stack in $stacks; do
    delete_stack "$region" "$stack"
  done
  if $report_stands; then delete_stack "$report_region" "$report_stack"; fi
  forget_bill
  delete_data
  step 'Done'
  show_what_stays
}

main "$@"
