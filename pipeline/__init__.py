"""EMR on EKS chargeback: what every Spark job on a shared EKS cluster cost."""
