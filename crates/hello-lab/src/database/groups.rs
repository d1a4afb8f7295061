//! Parameter groups, checked before an instance has them: RDS refuses a parameter when the group is made or modified.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>

use super::{
    Databases,
    configuration::settings,
    error::DatabaseError,
    installation::Installation,
    parameters::{ParameterError, Parameters},
};
use std::collections::BTreeMap;

impl Databases {
    /// Refuses what PostgreSQL of this major version does not know, and values of another kind or out of range. It asks
    /// PostgreSQL once for all that it knows. A version that the machine does not have is not checked.
    pub async fn check_group(
        &self,
        major: u32,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(), ParameterError> {
        self.checked_group(major, parameters).await.map(|_| ())
    }

    /// The same, and has PostgreSQL read the values: only it knows the words that it takes.
    pub async fn try_group(
        &self,
        major: u32,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(), ParameterError> {
        let Some((installation, values)) = self.checked_group(major, parameters).await? else {
            return Ok(());
        };
        match self.shared.read_configuration(&installation, &settings(&values)).await {
            Err(DatabaseError::Program { output, .. }) if output.contains("parameter") => {
                Err(ParameterError::Refused { major, reason: output })
            }
            Err(error) => {
                tracing::warn!("a parameter group was not tried: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The values that PostgreSQL may be asked of; `None` where it cannot be asked.
    async fn checked_group(
        &self,
        major: u32,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Option<(Installation, BTreeMap<String, String>)>, ParameterError> {
        // Whoever makes an instance of that version is told.
        let Ok(installation) = Installation::find(&self.shared.lab, "any", major) else { return Ok(None) };
        let catalogue = match self.shared.catalogue(&installation).await {
            Ok(catalogue) => catalogue,
            Err(error) => {
                tracing::warn!("a parameter group was not checked: {error}");
                return Ok(None);
            }
        };
        let values = Parameters::of_group(parameters, major, &catalogue, &installation.libraries())?;
        Ok(Some((installation, values)))
    }
}
