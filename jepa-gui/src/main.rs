//! The desktop app: `cargo xtask gui`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use eframe::egui_wgpu::WgpuSetup;
use jepa_gui::app::App;
use jepa_gui::compute::Compute;
use jepa_gui::workspace::Workspace;

// The modality crates: naming them links them, linking them registers their variants.
use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

/// Pick a variant, train it, see what it understands.
#[derive(Parser)]
#[command(name = "cargo xtask gui", version)]
struct Arguments {
    /// Folder of runs to look into; new ones are written there
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Print the time to the first frame and end
    #[arg(long)]
    time_first_frame: bool,
}

fn main() -> ExitCode {
    let clock = Instant::now();
    let filter = tracing_subscriber::EnvFilter::try_from_env("JEPA_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let arguments = Arguments::parse();
    let open = |compute, setup| window(&arguments, clock, compute, setup);
    let (compute, setup) = Compute::share();
    let is_shared = setup.is_some();
    let ended = match open(compute.clone(), setup) {
        // Whether a device can draw in a window is known when there is one.
        Err(eframe::Error::Wgpu(problem)) if is_shared => open(compute.apart(&problem), None),
        ended => ended,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "error: no window can be opened: {error}; the app needs a display (X11 or Wayland) and a graphics \
                 driver, a software one included; runs can be followed in the terminal with `cargo xtask train`"
            );
            ExitCode::FAILURE
        }
    }
}

/// Opens the window, on this device or on one of its own, and comes back when it is closed.
fn window(arguments: &Arguments, clock: Instant, compute: Compute, setup: Option<WgpuSetup>) -> eframe::Result {
    let (workspace, _) = Workspace::open(&arguments.runs);
    let size = workspace.content.window.filter(|s| s.iter().all(|v| (320.0..=10_000.0).contains(v)));
    let viewport = egui::ViewportBuilder::default()
        .with_title("JEPA")
        .with_app_id("jepa-gui")
        .with_inner_size(size.unwrap_or([1360.0, 860.0]))
        .with_min_inner_size([720.0, 480.0]);
    let mut options = eframe::NativeOptions { viewport, ..Default::default() };
    if let Some(setup) = setup {
        options.wgpu_options.wgpu_setup = setup;
    }
    eframe::run_native(
        "JEPA",
        options,
        Box::new(move |creation| {
            let mut app = App::new(&arguments.runs, &creation.egui_ctx);
            app.shared.compute = compute;
            Ok(if arguments.time_first_frame {
                Box::new(Timed { app, clock, frames: 0 }) as Box<dyn eframe::App>
            } else {
                Box::new(app)
            })
        }),
    )
}

/// Ends after the first frames and says how long they took.
struct Timed {
    app: App,
    clock: Instant,
    frames: u32,
}

impl eframe::App for Timed {
    fn logic(&mut self, context: &egui::Context, frame: &mut eframe::Frame) {
        eframe::App::logic(&mut self.app, context, frame);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        eframe::App::ui(&mut self.app, ui, frame);
        self.frames += 1;
        match self.frames {
            // The second call comes when the first frame has been handed to the screen.
            2 => println!("first frame after {:.3} s", self.clock.elapsed().as_secs_f64()),
            3.. => ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close),
            _ => {}
        }
        ui.ctx().request_repaint();
    }
}
