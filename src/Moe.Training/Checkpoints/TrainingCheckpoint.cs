using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moe.Training;

/// <summary>
/// Everything a training needs to go on as if it had never stopped: model, best model so far, optimizer, random generators, progress.
/// </summary>
/// <remarks>
/// Random state is that of torch's global CPU generator and of the gates' own. TorchSharp gives no access to the state of CUDA's global
/// generator: dropout on a GPU goes on with other numbers after a resumption.
/// </remarks>
internal static class TrainingCheckpoint
{
    private const string ModelPrefix = "model.";
    private const string BestPrefix = "best.";
    private const string OptimizerName = "optimizer";
    private const string GlobalRandomName = "random.global";
    private const string GateRandomPrefix = "random.gate.";

    /// <summary>Replaces the file by the state of now.</summary>
    public static void Save(
        string path, RoutedModel model, IReadOnlyDictionary<string, Tensor>? best, OptimizerHelper optimizer, TrainingProgress progress)
    {
        using var scope = NewDisposeScope();
        var tensors = new List<(string, Tensor)>();
        tensors.AddRange(model.Module.state_dict().Select(item => (ModelPrefix + item.Key, item.Value)));
        if (best is not null)
            tensors.AddRange(best.Select(item => (BestPrefix + item.Key, item.Value)));
        tensors.Add((OptimizerName, OptimizerState.ToBytes(optimizer)));
        tensors.Add((GlobalRandomName, get_rng_state()));
        tensors.AddRange(model.Generators.Select((generator, index) => ($"{GateRandomPrefix}{index}", generator.get_state())));
        AtomicFile.Write(path, stream => TensorFile.Write(stream, progress.ToJson(), tensors));
    }

    /// <summary>Puts everything back, in place. Nothing is changed unless all of it fits.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">Takes the parameters.</param>
    /// <param name="optimizer">Takes its state.</param>
    /// <param name="settings">What must be as it was.</param>
    /// <param name="needsBest">Whether a best epoch is of no use without its parameters.</param>
    /// <returns>The progress, and the best model so far if there is one; the caller owns its tensors.</returns>
    /// <exception cref="InvalidDataException">The file is not whole, or is of another model or training; the message lists every difference.</exception>
    public static (TrainingProgress Progress, Dictionary<string, Tensor>? Best) Load(
        string path, RoutedModel model, OptimizerHelper optimizer, IReadOnlyDictionary<string, string> settings, bool needsBest)
    {
        using var scope = NewDisposeScope();
        var (text, tensors) = TensorFile.Read(path);
        scope.Attach(tensors.Values);
        var progress = TrainingProgress.FromJson(path, text);
        var saved = new SavedTensors(tensors);
        var state = model.Module.state_dict();
        var generators = model.Generators;

        var differences = new List<string>();
        CompareSettings(progress.Settings, settings, differences);
        saved.Compare(ModelPrefix, "model", state, differences);
        if (saved.Has(BestPrefix))
            saved.Compare(BestPrefix, "best model", state, differences);
        else if (needsBest && progress.BestEpoch is { } epoch)
            differences.Add($"the best model, of epoch {epoch}, was not kept");
        saved.Compare(GateRandomPrefix, "random states of the gates", ByIndex(generators.Select(generator => generator.get_state())), differences);
        saved.Compare(GlobalRandomName, "random state of torch", new() { [""] = get_rng_state() }, differences);
        saved.RequireBytes(OptimizerName, "state of the optimizer", differences);
        saved.RequireNothingElse(differences);
        if (differences.Count > 0)
            throw new InvalidDataException($"{path} is of another training: {string.Join("; ", differences)}.");

        // The only part that can still refuse comes first.
        OptimizerState.FromBytes(path, optimizer, tensors[OptimizerName]);
        using (no_grad())
        {
            foreach (var (name, tensor) in saved.Part(ModelPrefix))
                state[name].copy_(tensor);
        }
        for (var index = 0; index < generators.Count; index++)
            generators[index].set_state(tensors[$"{GateRandomPrefix}{index}"]);
        set_rng_state(tensors[GlobalRandomName]);

        var best = saved.Has(BestPrefix) ? saved.Part(BestPrefix) : null;
        foreach (var tensor in best?.Values ?? Enumerable.Empty<Tensor>())
            tensor.DetachFromDisposeScope();
        return (progress, best);
    }

    private static Dictionary<string, Tensor> ByIndex(IEnumerable<Tensor> tensors) =>
        tensors.Index().ToDictionary(pair => $"{pair.Index}", pair => pair.Item);

    private static void CompareSettings(
        Dictionary<string, string> then, IReadOnlyDictionary<string, string> now, List<string> differences)
    {
        foreach (var (name, value) in now)
        {
            var before = then.GetValueOrDefault(name, "nothing");
            if (before != value)
                differences.Add($"{name} was {before}, is {value}");
        }
    }
}
