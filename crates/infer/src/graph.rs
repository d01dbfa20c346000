//! What the file of a network says about itself, before any runtime is asked.

use std::collections::BTreeSet;

use crate::wire;
use rten_onnx::onnx::{AttributeProto, DataLocation, DataType, GraphProto, ModelProto, ValueInfoProto};

/// An input or output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its shape; `None` for a dimension that may be anything.
    pub shape: Vec<Option<usize>>,
    /// Whether it holds 32-bit floating-point numbers.
    pub is_float: bool,
}

impl Port {
    /// Its shape in words: `1x3x?x?`.
    pub fn words(&self) -> String {
        let side = |d: &Option<usize>| d.map_or_else(|| "?".to_owned(), |n| n.to_string());
        self.shape.iter().map(side).collect::<Vec<_>>().join("x")
    }
}

/// Inputs, outputs and operators of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// What has to be given.
    pub inputs: Vec<Port>,
    /// What is computed.
    pub outputs: Vec<Port>,
    /// Names of the operators in it.
    pub operators: BTreeSet<String>,
    /// Whether it resizes by a cubic filter.
    pub(crate) resizes_cubic: bool,
}

impl Graph {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// In words, where it is none or its weights lie in another file.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if !wire::is_model(bytes) {
            return Err("it is no ONNX file, or not all of one".to_owned());
        }
        let model = ModelProto::parse_buf(bytes).map_err(|e| format!("it is no ONNX file ({e})"))?;
        let graph = model.graph.ok_or("it is no ONNX file (it holds no graph)")?;
        if graph.initializer.iter().any(|tensor| tensor.data_location == Some(DataLocation::EXTERNAL)) {
            return Err(
                "its weights lie in a file of their own, which is not at hand; export it as a single file".to_owned()
            );
        }
        let mut read = Self::default();
        read.operators(&graph);
        // Old exporters list weights among the inputs.
        let weights: BTreeSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
        let given = graph.input.iter().filter(|i| i.name.as_deref().is_none_or(|name| !weights.contains(name)));
        read.inputs = given.map(port).collect();
        read.outputs = graph.output.iter().map(port).collect();
        if read.inputs.is_empty() || read.outputs.is_empty() {
            return Err("it has no inputs or no outputs".to_owned());
        }
        Ok(read)
    }

    fn operators(&mut self, graph: &GraphProto) {
        for node in &graph.node {
            let name = node.op_type.as_deref().unwrap_or_default();
            self.operators.insert(name.to_owned());
            let is_cubic = |a: &AttributeProto| a.name.as_deref() == Some("mode") && a.s.as_deref() == Some("cubic");
            self.resizes_cubic |= name == "Resize" && node.attribute.iter().any(is_cubic);
            node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).for_each(|inner| self.operators(inner));
        }
    }

    /// Whether it takes inputs of one size alone.
    pub(crate) fn is_of_one_size(&self) -> bool {
        self.inputs.iter().all(|port| port.shape.iter().all(Option::is_some))
    }

    /// Operators on quantised numbers in it.
    pub fn quantised(&self) -> Vec<&str> {
        let is_quantised = |name: &&str| {
            matches!(*name, "ConvInteger" | "MatMulInteger" | "QuantizeLinear" | "DequantizeLinear")
                || name.starts_with("QLinear")
                || name.starts_with("DynamicQuantize")
        };
        self.operators.iter().map(String::as_str).filter(is_quantised).collect()
    }
}

fn port(info: &ValueInfoProto) -> Port {
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let dims = tensor.and_then(|t| t.shape.as_ref()).map(|s| s.dim.as_slice()).unwrap_or_default();
    Port {
        name: info.name.clone().unwrap_or_default(),
        shape: dims.iter().map(|d| d.dim_value.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)).collect(),
        is_float: tensor.and_then(|t| t.elem_type) == Some(DataType::FLOAT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_tells_its_inputs_outputs_and_operators() {
        let graph = Graph::read(include_bytes!("../tests/data/detector_v8.onnx")).unwrap();
        assert_eq!(graph.inputs[0].words(), "?x3x160x160");
        assert_eq!((graph.inputs[0].name.as_str(), graph.inputs[0].is_float), ("images", true));
        assert_eq!(graph.outputs[0].words(), "?x6x525");
        assert!(graph.operators.contains("MaxPool") && graph.quantised().is_empty());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04rest of an archive", &[0xff; 64]] {
            assert!(Graph::read(bytes).unwrap_err().contains("no ONNX file"));
        }
    }
}
