//! Flags to the engine's options.

use std::path::PathBuf;

use cleanplate::{
    CaptionOptions, DetectOptions, DeviceOptions, EncodeOptions, Error, NewSize, Options, Repeats, Result, Target,
    UpscaleOptions, VerifyMode, Wish,
};

use crate::args::{self, Encode, Enlarge, Found, How, Kept, Place, State, Track, Verify, Written};
use crate::environment::{self, Environment, Old};

impl Place {
    /// Says where marks are.
    pub(crate) fn apply(&self, options: &mut Options, environment: &Environment) -> Result<()> {
        options.regions.clone_from(&self.region);
        options.fill_regions.clone_from(&self.fill_region);
        options.masks.clone_from(&self.mask);
        options.mask_video.clone_from(&self.mask_video);
        options.mattes.clone_from(&self.matte);
        options.keep_regions.clone_from(&self.keep_region);
        options.only.clone_from(&self.only);
        options.dilate = self.dilate.or(environment.old(Old::Kernel)?);
        options.detect = self.track.options(self.detector.clone(), environment)?;
        if let Some(target) = self.target {
            options.target = match target {
                args::Target::Marks => Target::Marks,
                args::Target::Captions => Target::Captions,
                args::Target::All => Target::All,
                args::Target::Nothing => Target::Nothing,
            };
        }
        let usual = CaptionOptions::default();
        options.captions = CaptionOptions {
            every: self.track.every.unwrap_or(usual.every),
            min_duration: self.min_duration.unwrap_or(usual.min_duration),
            network: self.text_model.clone(),
        };
        environment::networks(options);
        options.plan_in.clone_from(&self.plan_in);
        Ok(())
    }
}

impl Track {
    /// Says how a detector's boxes become marks: flags, then older variables, then the defaults.
    fn options(&self, network: Option<PathBuf>, environment: &Environment) -> Result<DetectOptions> {
        let usual = DetectOptions::default();
        let batch = self.detect_batch.map(usize::from);
        Ok(DetectOptions {
            network,
            min_score: self.min_score.or(environment.old(Old::MinScore)?).unwrap_or(usual.min_score),
            persistence: self.persistence.or(environment.old(Old::Persistence)?).unwrap_or(usual.persistence),
            accumulate: self.accumulate.or(environment.old(Old::Accumulation)?).unwrap_or(usual.accumulate),
            max_gap: self.max_gap.or(environment.old(Old::MaxGap)?).unwrap_or(usual.max_gap),
            every: self.every.unwrap_or(usual.every),
            batch: batch.or(environment.old(Old::DetectBatch)?),
        })
    }
}

impl How {
    /// Says how holes are settled.
    pub(crate) fn apply(&self, options: &mut Options, environment: &Environment) -> Result<()> {
        if !self.tiers.is_empty() {
            options.tiers = self.tiers.iter().copied().collect();
        }
        options.fill_model.clone_from(&self.fill_model);
        options.fill_batch = self.fill_batch.map(usize::from).or(environment.old(Old::FillBatch)?);
        options.stream = self.stream.stream;
        options.queue_bytes = self.memory;
        options.window = self.window.map(|frames| frames as usize).or(environment.old(Old::Window)?);
        options.card_share = self.vram_fraction.unwrap_or(options.card_share);
        Ok(())
    }
}

impl Enlarge {
    /// Says how the picture is enlarged; `doubles` where no size is given.
    pub(crate) fn apply(&self, options: &mut Options, doubles: bool) -> Result<()> {
        options.frames = self.frames_out.is_some();
        let size = match (self.scale, self.width, self.height) {
            (Some(by), _, _) => NewSize::Scale(by),
            (None, None, None) if doubles => NewSize::Scale(2.0),
            (None, None, None) => return Ok(()),
            (None, width, height) => NewSize::Fit { width, height },
        };
        let repeats = match self.repeats {
            Some(args::Repeats::Exact) => Repeats::Exact,
            Some(args::Repeats::Off) => Repeats::Off,
            Some(args::Repeats::Perceptual) | None => Repeats::Perceptual,
        };
        let model = self.model.clone().unwrap_or_default();
        let mut upscale = UpscaleOptions { size, model, tile: self.tile, repeats, ..UpscaleOptions::default() };
        for (key, value) in &self.model_set {
            let taken = match key.as_str() {
                "source" => value.parse().map(|condition| upscale.condition = Some(condition)),
                key => upscale.overrides.set(key, value),
            };
            taken.map_err(|why| Error::Usage(format!("--model-set {key}={value}: {why}")))?;
        }
        options.upscale = Some(upscale);
        Ok(())
    }
}

impl Encode {
    /// Says how the track is encoded.
    pub(crate) fn options(&self) -> EncodeOptions {
        EncodeOptions {
            codec: self.codec.clone(),
            crf: self.crf,
            preset: self.preset.clone(),
            pix_fmt: self.pix_fmt.clone(),
            extra: self.encoder_option.clone(),
            threads: self.encoder_threads,
        }
    }
}

impl Encode {
    /// Says where it is encoded. Failures are rehearsed where the environment says so.
    pub(crate) fn devices(&self, environment: &Environment) -> Result<DeviceOptions> {
        // An encoder's own name as the codec means that encoder.
        let is_encoder = |name: &&String| name.starts_with("lib") || name.contains('_');
        let named = self.codec.as_ref().filter(is_encoder).map(|name| Wish::Named(name.clone()));
        let (networks, index) = self.device.clone().unwrap_or_default();
        let usual = || if networks == Wish::Software { Wish::Software } else { Wish::Auto };
        let encoder = self.encoder.clone().or(named).unwrap_or_else(usual);
        let decoder = self.decoder.clone().unwrap_or_else(usual);
        Ok(DeviceOptions { decoder, encoder, networks, index, strict: self.strict, faults: environment.faults()? })
    }
}

impl Kept {
    /// Says what may be lost.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.drop_streams = self.drop_streams;
        options.accept_loss = self.accept_loss.iter().cloned().collect();
        options.copy_if_clean = self.copy_if_clean;
    }
}

impl State {
    /// Says where the state lies and what is checked.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.verify = match self.verify {
            Verify::Full => VerifyMode::Full,
            Verify::Packets => VerifyMode::Packets,
        };
        options.work_dir.clone_from(&self.work_dir);
        options.resume = !self.no_resume;
    }
}

impl Found {
    /// Says what is written of what was found.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.captions_out.clone_from(&self.captions_out);
    }
}

impl Written {
    /// Says what is written besides the output.
    pub(crate) fn apply(&self, options: &mut Options) {
        options.report.clone_from(&self.report);
        options.origin_map.clone_from(&self.origin_map);
        options.mask_out.clone_from(&self.mask_out);
        options.matte_out.clone_from(&self.matte_out);
        options.plan_out.clone_from(&self.plan_out);
    }
}
