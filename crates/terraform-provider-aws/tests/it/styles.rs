//! Configurations in the styles that people publish: each whole, applied in record mode, planned again, destroyed.
//!
//! Read as inspiration, nothing taken over: Elanass/yaz, shajalahamedcse/ecs-fargate-with-terraform,
//! kitakiv/rsschool-devops-course-tasks, AyushJakhmola/terraform-3-Tier-Web-Application-Deployment,
//! onoxtuti-study/terraform-aws, vikramdevopsb79/roboshop-terraform, bahadauriaabhay/springbootapp,
//! zama-ai/terraform-coprocessor-modules, aws-ia/terraform-aws-vpc, cloudposse/terraform-aws-ecs-alb-service-task, and
//! vpc, rds, alb, ecs, kms, acm, s3-bucket and security-group of terraform-aws-modules.

use crate::harness::Workspace;

fn lives(files: &[(&str, &str)]) {
    let workspace = Workspace::with_files(files);
    if files.len() > 1 {
        let (success, text) = workspace.terraform(&["get"]);
        assert!(success, "{text}");
    }
    assert_eq!(workspace.validate(), Vec::<String>::new());
    let made = workspace.apply(&[]).actions();
    assert!(!made.is_empty() && made.values().all(|action| action == "create"), "{made:?}");
    workspace.plan(&[]).assert_no_changes();
    let gone = workspace.destroy(&[]).actions();
    assert_eq!(gone.len(), made.len());
}

#[test]
fn subnets_by_count_and_inline_rules() {
    lives(&[("main.tf", include_str!("styles/network.tf"))]);
}

#[test]
fn dynamic_rules_and_rules_apart_by_for_each() {
    lives(&[("main.tf", include_str!("styles/bastion.tf"))]);
}

#[test]
fn a_generated_password_kept_in_a_parameter() {
    lives(&[("main.tf", include_str!("styles/database.tf"))]);
}

#[test]
fn modules_in_modules_for_each_environment() {
    lives(&[
        ("main.tf", include_str!("styles/environments.tf")),
        ("modules/service/main.tf", include_str!("styles/service.tf")),
        ("modules/service/balancer/main.tf", include_str!("styles/balancer.tf")),
    ]);
}

#[test]
fn notifications_alarms_and_a_firewall() {
    lives(&[("main.tf", include_str!("styles/alarms.tf"))]);
}
