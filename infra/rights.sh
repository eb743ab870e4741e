# shellcheck shell=bash
# Which rights a deployment needs of whoever runs it, asked of AWS and Kubernetes before anything is changed. Sourced.

rights_were_checked=true

# The policies' subject: a role, where the caller has assumed one; nothing where AWS cannot say.
caller_with_policies() {
  local name
  case $caller in
    *:user/*) printf '%s' "$caller" ;;
    *:assumed-role/*)
      name=${caller#*:assumed-role/}
      aws iam get-role --role-name "${name%%/*}" --query Role.Arn --output text 2>/dev/null || true
      ;;
  esac
}

# What the caller $1 may not do on the resource $2, of the actions that follow.
check_actions() {
  local subject=$1 resource=$2 denied
  shift 2
  $rights_were_checked || return 0
  if ! denied=$(aws iam simulate-principal-policy --policy-source-arn "$subject" --resource-arns "$resource" \
    --action-names "$@" --query "EvaluationResults[?EvalDecision!='allowed'].EvalActionName" --output text \
    2>/dev/null); then
    rights_were_checked=false
    return 0
  fi
  denied=$(some "$denied" | tr -s '[:space:]' ' ')
  [ -z "$denied" ] || lacks "the rights of $subject on $resource: $denied"
}

# Simulated with IAM, which knows no organisation's policies; a caller who may not simulate is told so in the plan.
check_aws_rights() {
  local subject
  subject=$(caller_with_policies)
  if [ -z "$subject" ]; then
    rights_were_checked=false
    return 0
  fi
  check_actions "$subject" "arn:$partition:cloudformation:$region:$account:stack/$lake_stack/id" \
    cloudformation:CreateChangeSet cloudformation:DescribeChangeSet \
    cloudformation:ExecuteChangeSet cloudformation:DescribeStacks cloudformation:DescribeStackEvents
  check_actions "$subject" "arn:$partition:iam::$account:role/$lake_stack-AnalystRole" \
    iam:CreateRole iam:GetRole iam:PutRolePolicy
  check_actions "$subject" "arn:$partition:s3:::$lake_stack-lakebucket" \
    s3:CreateBucket s3:PutBucketPolicy s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration
  check_actions "$subject" "arn:$partition:glue:$region:$account:catalog" glue:CreateDatabase
  check_actions "$subject" "arn:$partition:athena:$region:$account:workgroup/chargeback" athena:CreateWorkGroup
  check_actions "$subject" "arn:$partition:ecr:$region:$account:repository/emr-eks-chargeback" ecr:CreateRepository
  if $makes_report; then
    check_actions "$subject" "arn:$partition:bcm-data-exports:$report_region:$account:export/chargeback" \
      bcm-data-exports:CreateExport
    check_actions "$subject" "arn:$partition:cur:$report_region:$account:/putReportDefinition" cur:PutReportDefinition
  fi
  if $installs_kubecost; then
    check_actions "$subject" "arn:$partition:aps:$region:$account:/workspaces" aps:CreateWorkspace
  fi
}

# Whether the caller may do $1 to $2 in the cluster, in namespace $3 if one is named.
check_cluster_right() {
  local answer
  answer=$(kubectl auth can-i "$1" "$2" ${3:+--namespace "$3"} 2>"$scratch/error" || true)
  case $answer in
    *yes*) return 0 ;;
    *no*) lacks "the right to $1 $2${3:+ in the namespace $3} of the cluster (an EKS access entry, or RBAC)." ;;
    *) lacks "a way into the cluster: kubectl says $(tail -n 1 "$scratch/error")" && return 1 ;;
  esac
}

check_cluster_rights() {
  check_cluster_right create namespaces || return 0
  check_cluster_right create cronjobs.batch chargeback
  check_cluster_right create jobs.batch chargeback
  check_cluster_right create serviceaccounts chargeback
  check_cluster_right create networkpolicies.networking.k8s.io chargeback
  if $installs_kubecost; then
    check_cluster_right create clusterroles.rbac.authorization.k8s.io
    check_cluster_right create deployments.apps kubecost
  fi
}
