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
        string path, RoutedModel model, IReadOnlyDictionary<string, Tensor>? best, optim.Optimizer optimizer, TrainingProgress progress)
    {
        using var scope = NewDisposeScope();
        var tensors = new List<(string, Tensor)>();
        tensors.AddRange(model.Module.state_dict().Select(item => (ModelPrefix + item.Key, item.Value)));
        if (best is not null)
            tensors.AddRange(best.Select(item => (BestPrefix + item.Key, item.Value)));
        tensors.Add((OptimizerName, ToBytes(optimizer)));
        tensors.Add((GlobalRandomName, get_rng_state()));
        tensors.AddRange(model.Generators.Select((generator, index) => ($"{GateRandomPrefix}{index}", generator.get_state())));
        AtomicFile.Write(path, stream => TensorFile.Write(stream, progress.ToJson(), tensors));
    }

    /// <summary>Puts everything back, in place. Nothing is changed unless all of it fits.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">Takes the parameters.</param>
    /// <param name="optimizer">Takes its state.</param>
    /// <param name="settings">What must be as it was.</param>
    /// <returns>The progress, and the best model so far if there is one; the caller owns its tensors.</returns>
    /// <exception cref="InvalidDataException">The file is not whole, or is of another model or training; the message lists every difference.</exception>
    public static (TrainingProgress Progress, Dictionary<string, Tensor>? Best) Load(
        string path, RoutedModel model, optim.Optimizer optimizer, IReadOnlyDictionary<string, string> settings)
    {
        var (text, tensors) = TensorFile.Read(path);
        try
        {
            var progress = TrainingProgress.FromJson(text);
            var state = model.Module.state_dict();
            var best = Part(tensors, BestPrefix);
            RequireFit(path, progress, settings, state, tensors, best, model.Generators.Count);

            LoadOptimizer(path, optimizer, tensors[OptimizerName]);
            using (no_grad())
            {
                foreach (var (name, tensor) in Part(tensors, ModelPrefix))
                    state[name].copy_(tensor);
            }
            foreach (var (generator, index) in model.Generators.Select((generator, index) => (generator, index)))
                generator.set_state(tensors[$"{GateRandomPrefix}{index}"]);
            set_rng_state(tensors[GlobalRandomName]);

            // These are handed out; the others are of no use any more.
            foreach (var name in best.Keys)
                tensors.Remove(BestPrefix + name);
            return (progress, best.Count == 0 ? null : best);
        }
        finally
        {
            foreach (var tensor in tensors.Values)
                tensor.Dispose();
        }
    }

    private static Dictionary<string, Tensor> Part(Dictionary<string, Tensor> tensors, string prefix) => tensors
        .Where(item => item.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(item => item.Key[prefix.Length..], item => item.Value);

    private static void RequireFit(
        string path, TrainingProgress progress, IReadOnlyDictionary<string, string> settings, Dictionary<string, Tensor> state,
        Dictionary<string, Tensor> tensors, Dictionary<string, Tensor> best, int generators)
    {
        var differences = new List<string>();
        foreach (var (name, now) in settings)
        {
            var then = progress.Settings.GetValueOrDefault(name, "nothing");
            if (then != now)
                differences.Add($"{name} was {then}, is {now}");
        }
        Compare("model", Part(tensors, ModelPrefix), state, differences);
        if (best.Count > 0)
            Compare("best model", best, state, differences);
        var saved = tensors.Keys.Count(name => name.StartsWith(GateRandomPrefix, StringComparison.Ordinal));
        if (saved != generators)
            differences.Add($"gates had {saved} random generators, have {generators}");
        if (!tensors.ContainsKey(OptimizerName) || !tensors.ContainsKey(GlobalRandomName))
            differences.Add("the optimizer or the random state is missing");
        if (differences.Count > 0)
            throw new InvalidDataException($"{path} is of another training: {string.Join("; ", differences)}.");
    }

    private static void Compare(string what, Dictionary<string, Tensor> saved, Dictionary<string, Tensor> now, List<string> differences)
    {
        differences.AddRange(now.Keys.Except(saved.Keys).Select(name => $"{what} lacks {name}"));
        differences.AddRange(saved.Keys.Except(now.Keys).Select(name => $"{what} has {name}, which is not in the model"));
        foreach (var name in saved.Keys.Intersect(now.Keys))
        {
            var (then, here) = (Signature(saved[name]), Signature(now[name]));
            if (then != here)
                differences.Add($"{what}'s {name} was {then}, is {here}");
        }
    }

    private static string Signature(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";

    private static Tensor ToBytes(optim.Optimizer optimizer)
    {
        using var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(buffer, System.Text.Encoding.UTF8, leaveOpen: true))
            ((OptimizerHelper)optimizer).save_state_dict(writer);
        return tensor(buffer.ToArray(), ScalarType.Byte, CPU);
    }

    /// <summary>The first thing that is loaded, as the only one that can fail: its format is the optimizer's own.</summary>
    private static void LoadOptimizer(string path, optim.Optimizer optimizer, Tensor saved)
    {
        using var before = ToBytes(optimizer);
        try
        {
            FromBytes(optimizer, saved);
        }
        catch (Exception exception) when (exception is ArgumentException or IOException or InvalidDataException)
        {
            FromBytes(optimizer, before);
            throw new InvalidDataException($"{path} has a state of the optimizer that is not {optimizer.GetType().Name}'s: {exception.Message}", exception);
        }
    }

    private static void FromBytes(optim.Optimizer optimizer, Tensor bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes.bytes.ToArray()));
        ((OptimizerHelper)optimizer).load_state_dict(reader);
    }
}
