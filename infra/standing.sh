# shellcheck shell=bash
# What stands already: whose account it is, which cluster, which stacks. Reads, and changes nothing. Sourced, never run.

lake_stack=chargeback-lake
report_stack=chargeback-cost-report
report_region=us-east-1 # where AWS has Data Exports
own_bill=chargeback_bill.cur # the table that publish keeps over the report
kubecost_mark=emr-eks-chargeback/installed

export AWS_PAGER='' # version 2 of the AWS CLI would stop at each answer otherwise

cluster_stack() { printf 'chargeback-%s' "${1//_/-}"; }

kubecost_stack() { printf 'chargeback-kubecost-%s' "${1//_/-}"; }

# The region is the AWS CLI's unless it was given.
check_region() {
  if [ -z "$region" ]; then
    region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
  fi
  if [ -z "$region" ] && has aws; then
    region=$(aws configure get region 2>/dev/null || true)
  fi
  if [ -z "$region" ]; then
    lacks "a region: give --region, or set one with \`aws configure\`."
  elif ! is_like "$region" '[a-z]{2,3}(-[a-z]+)+-[0-9]+'; then
    lacks "--region: \"$region\" is no AWS region."
    region=''
  fi
}

# EKS's own rule for a name, and the names that would take the place of another stack.
check_cluster_name() {
  if [ -z "$cluster" ]; then
    lacks 'a cluster: give --cluster NAME.'
    return
  fi
  if ! is_like "$cluster" '[0-9A-Za-z][0-9A-Za-z_-]{0,99}'; then
    lacks "--cluster: \"$cluster\" cannot be an EKS cluster's name: letters, digits, - and _ only, 100 at most."
    cluster=''
    return
  fi
  case $(cluster_stack "$cluster") in
    "$lake_stack" | "$report_stack" | chargeback-kubecost-*)
      lacks "--cluster: the stack of a cluster called \"$cluster\" would have the name of another stack of ours."
      cluster=''
      ;;
  esac
}

# Who the AWS CLI speaks for; sets caller, partition and, unless it was given, account.
check_identity() {
  local found given=$account
  caller='' partition=aws
  if [ -n "$given" ] && ! is_like "$given" '[0-9]{12}'; then
    lacks "--account: \"$given\" is no account; write its 12 digits."
  fi
  has aws || return 0
  if ! found=$(aws sts get-caller-identity --query '[Account,Arn]' --output text 2>"$scratch/error"); then
    lacks "credentials for AWS: $(tail -n 1 "$scratch/error")"
    return
  fi
  account=${found%%[[:space:]]*}
  caller=${found##*[[:space:]]}
  partition=$(printf '%s' "$caller" | cut -d : -f 2)
  if [ -n "$given" ] && [ "$given" != "$account" ]; then
    lacks "credentials for account $given: the AWS CLI speaks for $account ($caller)."
  fi
}

# Sets cluster_status, cluster_version, issuer and auto_mode; status and all are empty where there is no such cluster.
find_cluster() {
  local found
  cluster_status='' cluster_version='' issuer='' auto_mode=''
  found=$(unless_absent ResourceNotFoundException aws eks describe-cluster --region "$region" --name "$cluster" \
    --query 'cluster.[status,version,identity.oidc.issuer,computeConfig.enabled]' --output text) || return 1
  # shellcheck disable=SC2034  # not every script asks for all of it
  read -r cluster_status cluster_version issuer auto_mode <<<"$found"
  issuer=$(some "$issuer")
  issuer=${issuer#https://}
}

cluster_arn() { printf 'arn:%s:eks:%s:%s:cluster/%s' "$partition" "$region" "$account" "$cluster"; }

# kubectl and helm work with a kubeconfig of this run's own: the user's is not changed, and never another cluster met.
point_at_cluster() {
  if [ -n "$context" ]; then
    kubectl config view --minify --flatten --context "$context" >"$scratch/kubeconfig" 2>"$scratch/error" || return 1
  else
    aws eks update-kubeconfig --region "$region" --name "$cluster" --kubeconfig "$scratch/kubeconfig" \
      >/dev/null 2>"$scratch/error" || return 1
  fi
  export KUBECONFIG="$scratch/kubeconfig"
}

# The status of stack $2 in region $1; nothing where there is none.
stack_status() {
  unless_absent 'does not exist' aws cloudformation describe-stacks --region "$1" --stack-name "$2" \
    --query 'Stacks[0].StackStatus' --output text
}

# Why stack $2 in region $1 failed, which stands in its events only. Who may not read them knows that it did.
tell_failures() {
  aws cloudformation describe-stack-events --region "$1" --stack-name "$2" --output text \
    --query "StackEvents[?contains(ResourceStatus,'FAILED')].[LogicalResourceId,ResourceStatusReason]" >&2 || true
}

# Parameter $3 of stack $2 in region $1; nothing where there is none.
parameter_of() {
  local found
  found=$(unless_absent 'does not exist' aws cloudformation describe-stacks --region "$1" --stack-name "$2" \
    --query "Stacks[0].Parameters[?ParameterKey=='$3'].ParameterValue | [0]" --output text) || return 1
  some "$found"
}

# Output $3 of stack $2 in region $1; nothing where there is none.
output_of() {
  local found
  found=$(unless_absent 'does not exist' aws cloudformation describe-stacks --region "$1" --stack-name "$2" \
    --query "Stacks[0].Outputs[?OutputKey=='$3'].OutputValue | [0]" --output text) || return 1
  some "$found"
}

# Output $3 of stack $2 in region $1, which a step goes on with; its name instead where a dry run made no stack.
needed_output() {
  local found
  found=$(output_of "$1" "$2" "$3") || return 1
  if [ -n "$found" ]; then
    printf '%s' "$found"
  elif $dry_run; then
    printf '<%s of %s>' "$3" "$2"
  else
    printf >&2 'The stack %s in %s has no output %s.\n' "$2" "$1" "$3"
    return 1
  fi
}

# A stack that cannot be worked on is missing something; so is one of this name that is another cluster's.
check_stack() {
  local status owner
  status=$(stack_status "$1" "$2") || {
    lacks "the right to see the stack $2 in $1 (cloudformation:DescribeStacks)."
    return 0
  }
  case $status in
    REVIEW_IN_PROGRESS) ;;
    *_IN_PROGRESS) lacks "patience: the stack $2 in $1 is $status; wait until it is done." ;;
    ROLLBACK_FAILED | UPDATE_ROLLBACK_FAILED)
      lacks "a stack that can be changed: $2 in $1 is $status; see its events in CloudFormation's console." ;;
  esac
  case $2 in "$lake_stack" | "$report_stack") return 0 ;; esac
  owner=$(parameter_of "$1" "$2" ClusterName)
  if [ -n "$owner" ] && [ "$owner" != "$cluster" ]; then
    lacks "a stack name of its own: $2 is the cluster $owner's, whose name differs only by - and _."
  fi
}

# Bucket and prefix of s3://bucket/prefix; nothing of nothing.
bucket_of() {
  local path=${1#s3://}
  printf '%s' "${path%%/*}"
}

prefix_of() {
  local path=${1#s3://}
  case $path in */*) path=${path#*/} && printf '%s' "${path%/}" ;; esac
}

# Whose the Kubecost in the namespace kubecost is: "namespace" or "release" is what deploy.sh made of it, else empty.
kubecost_installed() {
  kubectl get namespace kubecost --ignore-not-found --output "jsonpath={.metadata.labels['$kubecost_mark']}"
}
